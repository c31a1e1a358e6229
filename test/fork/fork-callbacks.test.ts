import { Fixture, runFixture } from '../helpers/fixture'

const run = (scenario: string): Promise<unknown> => runFixture('fork-callbacks', [scenario])

/** As a C++ exception it would pass through libuv, and end the server. */
describe("what a tick of the program's own throws goes to its uncaughtException, and the server lives on:", () => {
  it("right after a child's end", async () => {
    expect(await run('afterChild')).toEqual({ code: 'ERR_CHILD_FAILED', heard: ['after the child'], next: 'next' })
  })

  it("out of a listener of a Snapshotter's failed event", async () => {
    expect(await run('afterFailed')).toEqual({
      code: 'ERR_CHILD_FAILED',
      heard: ['after failed'],
      next: 'next',
      sliceId: '2',
    })
  })

  it('right after an event of the quiescence', async () => {
    expect(await run('afterQuiesceEvent')).toEqual({
      value: 'forked',
      heard: ['after a quiesce event'],
      next: 'next',
    })
  })
})

it('no listener of the parent is called in the child, not even one for the removal of listeners', async () => {
  const { code, stdout, stderr } = await new Fixture('fork-callbacks', ['listeners']).closed
  expect(JSON.parse(stdout)).toEqual({
    left: 0,
    kept: 'The child failed with exit code 3: process.exit(3) was called in the child',
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

import { Fixture, runFixture } from '../helpers/fixture'
import { hugePagesThere } from '../helpers/huge-pages'
import { onLinux } from '../helpers/platform'

/** A fork has a turn of its own, and who waits for it is told in the next one: what may come between. */

const run = <T>(scenario: string): Promise<T> => runFixture<T>('fork-turns', [scenario])

it('the caller changes his mind: the child is killed', async () => {
  expect(await run('aborted')).toEqual({
    order: ['between', 'told'],
    ended: 'ERR_ABORTED',
    children: [],
    next: 'next',
  })
})

it('the time to bring threads to rest is over: they had been', async () => {
  expect(await run('late')).toEqual({ order: ['after', 'told'], ended: 'value', children: [], next: 'next' })
})

it("somebody else's code throws, and the process lives on", async () => {
  expect(await run('threw')).toEqual({
    order: ['between', 'told'],
    ended: 'value',
    children: [],
    uncaught: ['somebody else'],
    next: 'next',
  })
})

it('a bare fork()', async () => {
  expect(await run('bare')).toEqual({
    order: ['between', 'told'],
    ended: 'value',
    children: [],
    exitCode: 7,
    next: 'next',
  })
})

it('the process ends: so does its child', async () => {
  const { code, stderr } = await new Fixture('fork-turns', ['exits']).closed
  // Elsewhere than on Linux the child looks for its parent from time to time, and says that it has gone.
  expect({ code, stderr }).toEqual({ code: 3, stderr: onLinux ? '' : expect.stringContaining('the parent has gone') })
})

const withHugePages = hugePagesThere() ? it : it.skip

withHugePages('a rest between portions of huge pages is over: the next one waits for the child', async () => {
  expect(await run('hugePages')).toEqual({ beside: 0, between: true })
})

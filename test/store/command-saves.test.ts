import { Fixture, runFixture } from '../helpers/fixture'

const run = (scenario: string) => runFixture<object>('command-saves', [scenario])

const nothingLeft = { listed: [], files: ['used-i0000000000000000001'], pipesLeft: false }
const message = (text: string): unknown => expect.stringContaining(text)

describe('a Snapshotter with a CommandStore', () => {
  it('passes the slices through the command, prunes old ones, and reads them back', async () => {
    expect(await run('saves')).toEqual({
      listed: ['3 at 30', '2 at 20'],
      stored: ['stored-2', 'stored-3'],
      rows: 100_000,
      counter: 30,
    })
  })

  it.each([
    ['dies early', 'diesEarly', { exitCode: 3, message: message('it said: no such bucket') }],
    ['does not read its input', 'readsNothing', { exitCode: 0, message: message('without reading all') }],
    ['ends with an exit code', 'exitCode', { exitCode: 4, message: message('it said: the disk is full') }],
    ['is killed', 'signal', { signal: 'SIGKILL', message: message('was ended by SIGKILL') }],
    ['does not end', 'hangs', { signal: 'SIGKILL', message: message('took longer than 100 ms (limitMs)') }],
    ['cannot be started', 'missing', { errno: 'ENOENT', message: message('could not be started') }],
  ])('publishes nothing when the command %s, and says why', async (_what, scenario, error) => {
    expect(await run(scenario)).toEqual({ code: 'ERR_STORE_FAILED', ...error, ...nothingLeft })
  })

  it('has what the command stored removed when the child fails', async () => {
    expect(await run('childFails')).toEqual({ code: 'ERR_CHILD_FAILED', listed: [], stored: [] })
  })

  it('completes the snapshot that runs when Ctrl-C and SIGTERM go to the whole process group', async () => {
    const end = await new Fixture('command-saves', ['ctrlC'], { detached: true }).closed
    expect(JSON.parse(end.stdout)).toEqual({ heard: ['SIGINT', 'SIGTERM'], sliceId: '1n', stored: ['stored-1'] })
  })

  it('kills the command when the save is aborted', async () => {
    expect(await run('aborted')).toEqual({ told: 'ERR_ABORTED', alive: false })
  })
})

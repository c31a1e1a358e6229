import { runScenario } from '../helpers/snapshotter-run'

const run = (scenario: string) => runScenario('snapshotter-saves', scenario)

describe('a save on request', () => {
  it('holds the state and the meta of the fork’s instant, and nothing later', async () => {
    expect(await run('atTheForksInstant')).toEqual({
      events: ['forked', 'saved'],
      zombie: false,
      metaIsTheChildsState: true,
      notLater: true,
      headerMeta: true,
      rows: 100,
      rowsRight: true,
      during: { inProgress: true, seconds: true, status: 'none' },
      changesLeft: true,
      after: { inProgress: false, status: 'ok', saves: 1, id: '1n' },
      figures: true,
      savedFigures: true,
      attempts: true,
    })
  })

  it('is joined, refused or followed by a fresh one, as the caller says', async () => {
    expect(await run('joining')).toEqual({
      refused: 'ERR_SNAPSHOT_IN_PROGRESS',
      ids: ['1n', '1n', '1n', '2n', '2n'],
      positions: ['0n', '0n', '0n', '77n', '77n'],
    })
  })

  it('goes on for the others when one of its callers aborts', async () => {
    expect(await run('abortOne')).toEqual({ leftWith: 'ERR_ABORTED', sliceId: '1n', aborted: 0, saves: 1 })
  })

  it('is killed when all its callers abort, which is no failure, and the next one works', async () => {
    expect(await run('abortAll')).toEqual({
      outcomes: ['ERR_ABORTED', 'ERR_ABORTED'],
      childLives: false,
      told: ['ERR_ABORTED'],
      changes: 4,
      ok: true,
      aborted: 1,
      failures: 0,
      saves: 1,
      lastStatus: 'ok',
      sliceId: '2n',
      files: 1,
    })
  })

  it('leaves nothing when it is aborted before the fork', async () => {
    expect(await run('abortBeforeTheFork')).toEqual({
      early: 'ERR_ABORTED',
      given: 'ERR_ABORTED',
      files: [],
      aborted: 1,
    })
  })

  it('tells its progress while it runs', async () => {
    expect(await run('progress')).toEqual({ live: true, stats: true, after: [0, 0, 0], rows: 300_000 })
  })

  it('warms the writer up before each fork, within its bounds', async () => {
    expect(await run('warmUp')).toEqual({
      bounded: true,
      timed: true,
      again: 1,
      rowsAgain: 10,
      rows: 10,
    })
  })

  it('leaves the warm-up out ever more often where it cannot be cut short', async () => {
    expect(await run('warmUpOverruns')).toEqual({ passes: [1, 1, 2, 2, 2, 2, 3] })
  })

  it('leaves it to the child to report what is wrong with write', async () => {
    expect(await run('warmUpOfFaults')).toEqual({
      seen: ['ERR_CHILD_FAILED', 'ERR_CHILD_FAILED', 'ERR_CHILD_FAILED'],
      parentLives: true,
    })
  })

  it('is not harmed by listeners that throw', async () => {
    expect(await run('listenerThrows')).toEqual({
      ids: ['1n', '2n'],
      warnings: Array<string>(4).fill('ForksnapListenerWarning'),
    })
  })
})

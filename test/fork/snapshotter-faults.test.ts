import { runScenario } from '../helpers/snapshotter-run'
import { itOnLinux } from '../helpers/platform'

const run = (scenario: string) => runScenario('snapshotter-faults', scenario)

describe('when a save fails', () => {
  it('by its child, the error says how, nothing is left, writes stop, and the next one works', async () => {
    const after = { last: true, changes: 3, files: 0, refused: 'ERR_UNHEALTHY', writable: 'ok' }
    expect(await run('childFaults')).toEqual({
      seen: {
        throw: { code: 'ERR_CHILD_FAILED', ...after, sliceId: '2n' },
        'throw says': expect.stringContaining('the writer threw') as string,
        promise: { code: 'ERR_CHILD_FAILED', ...after, files: 1, sliceId: '4n' },
        'promise says': expect.stringContaining('write() returned a promise') as string,
        exit: { code: 'ERR_CHILD_FAILED', ...after, files: 2, sliceId: '6n' },
        kill: { code: 'ERR_CHILD_KILLED', ...after, files: 3, sliceId: '8n' },
      },
      told: ['ERR_CHILD_FAILED', 'ERR_CHILD_FAILED', 'ERR_CHILD_FAILED', 'ERR_CHILD_KILLED'],
      failures: 4,
      saves: 4,
      lastStatus: 'ok',
      failingSince: null,
    })
  })

  it('by its child that makes no progress, it is killed, and the next one works', async () => {
    const stalled = 'ERR_CHILD_STALLED'
    expect(await run('childHangs')).toEqual({
      code: stalled,
      last: stalled,
      failures: 1,
      files: 1,
      ok: false,
      sliceId: '3n',
    })
  })

  it('it is tried again with back-off where saves are scheduled', async () => {
    expect(await run('retryOfScheduled')).toEqual({
      reasons: ['save-point', 'retry', 'retry', 'retry'],
      delays: [10, 20, 40],
      failures: 3,
      retries: 3,
      ok: true,
    })
  })

  it('by meta(), nothing is forked that could be published', async () => {
    const invalid = 'ERR_INVALID_VALUE'
    expect(await run('metaFaults')).toEqual({
      seen: [invalid, invalid, invalid, invalid, invalid, invalid, invalid],
      position: '9n',
      files: 1,
    })
  })

  it('by the log, the slice is not published; else the log is synced before, and pruned behind the oldest', async () => {
    expect(await run('log')).toEqual({
      failed: 'Error: the disk is gone',
      left: 0,
      calls: [
        'sync 10, 0 published',
        'sync 20, 0 published',
        'prune 20',
        'sync 30, 1 published',
        'prune 20',
        'sync 40, 2 published',
        'prune 30',
      ],
      removed: ['2n'],
    })
  })

  it('does not wait for a log that never answers once it is aborted', async () => {
    expect(await run('logHangs')).toEqual({ aborted: 'ERR_ABORTED', files: [], failures: 0 })
  })

  it('by a store or a log that never answers, a limit ends it, and a sink that comes late is withdrawn', async () => {
    expect(await run('unanswered')).toEqual({
      code: 'ERR_TIMEOUT',
      message: "The log's sync() did not end within 50 ms",
      failures: 1,
      lastStatus: 'failed',
      inProgress: false,
      files: [],
      noSink: 'ERR_TIMEOUT',
      late: [],
    })
  })

  it('by the store, nothing is left; a failed retention does not take a published slice back', async () => {
    expect(await run('storeFaults')).toEqual({
      failed: 'ERR_STORE_FAILED',
      left: [],
      sliceId: '2n',
      pruned: [],
      cleanups: ['retention'],
      saves: 1,
      failures: 1,
      lastStatus: 'ok',
      cleanupFailures: 1,
      lastCleanupError: { code: 'Error', message: 'prune failed' },
    })
  })

  it('by a directory that is gone, the failure has a code', async () => {
    const result = (await run('storeGone')) as { failed: string; code: string; failures: number }
    expect(['ERR_STORE_FAILED', 'ERR_FENCED']).toContain(result.failed)
    expect(result).toMatchObject({ code: result.failed, failures: 1 })
  })

  itOnLinux('by threads that never rest, it is tried until busyMs are over', async () => {
    expect(await run('busyThread')).toEqual({
      failed: 'ERR_NOT_QUIESCENT',
      busy: 0,
      failures: 1,
      attempts: true,
      counted: true,
      saves: 1,
    })
  })
})

describe('when the cleanup after a save hangs', () => {
  it('the save counts, the failure is told, and there is one cleanup at a time, tried again for the next save', async () => {
    expect(await run('cleanupHangs')).toEqual({
      counted: { saves: 1, inProgress: false, lastStatus: 'ok', ok: true, published: '1n' },
      told: ['saved 1', 'log ERR_TIMEOUT', 'log ERR_TIMEOUT', 'saved 2', 'log ERR_TIMEOUT'],
      whileItHangs: 1,
      mostAtOnce: 1,
    })
  })

  it('closing at once does not wait for it', async () => {
    expect(await run('cleanupHangsAtClose')).toEqual({ closed: 'ok', unlocked: 'ok', saves: 1 })
  })
})

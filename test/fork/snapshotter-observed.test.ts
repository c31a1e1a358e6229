import { LOG_LINES } from '../../src/snapshot-log'
import { runScenario } from '../helpers/snapshotter-run'

/** What a Snapshotter tells to diagnostics channels and to a logger. */

type Told = Record<string, unknown>
const run = <T>(scenario: string) => runScenario('snapshotter-observed', scenario) as Promise<T>
const channels = (told: Told[]): unknown[] => told.map(({ channel }) => channel)

describe('diagnostics channels', () => {
  interface Seen {
    readonly saved: Told
    readonly ofSave: Told[]
    readonly ofChildFailure: Told[]
    readonly ofAbort: Told[]
    readonly ofForkChild: Told[]
    readonly ofCommitFailure: Told[]
    readonly unsubscribed: Told[]
  }
  let seen: Seen

  beforeAll(async () => {
    seen = await run<Seen>('channels')
  })

  it('tell of a save what the save itself resolves with, and so after its pause', () => {
    const { saved, ofSave } = seen
    const { sliceId, reason, quiesceMs, parkedMs, pauseMs, forkMs, childMs, rows, bytes, cowBytes } = saved
    const { position, epoch, location } = saved
    const save = { sliceId, reason }
    const [, fork, , commit] = ofSave
    expect(ofSave).toEqual([
      { channel: 'forksnap:quiesce', ...save, quiesceMs, parkedMs },
      { channel: 'forksnap:fork', ...save, pid: fork?.pid, pauseMs, forkMs, pauseParts: fork?.pauseParts },
      {
        channel: 'forksnap:child',
        ...save,
        pid: fork?.pid,
        exitCode: 0,
        signal: null,
        childMs,
        rows,
        bytes,
        cowBytes,
      },
      { channel: 'forksnap:commit', ...save, commitMs: commit?.commitMs, position, epoch, location, rows, bytes },
    ])
    expect(fork?.pauseParts).toMatchObject({ forkMs })
    expect(commit?.commitMs).toBeGreaterThan(0)
  })

  it('tell of a child that failed, and of one that was killed', () => {
    expect(channels(seen.ofChildFailure)).toEqual(['forksnap:quiesce', 'forksnap:fork', 'forksnap:child'])
    expect(seen.ofChildFailure[2]).toMatchObject({ exitCode: 70, signal: null, error: 'ERR_CHILD_FAILED' })
    expect(channels(seen.ofAbort)).toEqual(['forksnap:quiesce', 'forksnap:fork', 'forksnap:child'])
    expect(seen.ofAbort[2]).toMatchObject({ exitCode: null, signal: 'SIGKILL', error: 'ERR_ABORTED' })
  })

  it('tell of forkChild(), which is no save', () => {
    expect(channels(seen.ofForkChild)).toEqual(['forksnap:quiesce', 'forksnap:fork', 'forksnap:child'])
    for (const message of seen.ofForkChild) expect(message).not.toHaveProperty('sliceId')
  })

  it('tell of a store that refuses to publish', () => {
    const commit = seen.ofCommitFailure.at(-1)
    expect(commit).toMatchObject({ channel: 'forksnap:commit', rows: 100, error: 'ERR_STORE_FAILED' })
    expect(commit).not.toHaveProperty('location')
  })

  it('tell nothing to who has left', () => {
    expect(seen.unsubscribed).toEqual([])
  })

  it("leave a save alone whose subscribers throw: that is Node's to tell", async () => {
    const names = ['forksnap:quiesce', 'forksnap:fork', 'forksnap:child', 'forksnap:commit']
    expect(await run('throwing')).toEqual({ result: 'ok', uncaught: names, files: 1 })
  })
})

describe('logger', () => {
  interface Line {
    readonly level: string
    readonly message: string
    readonly fields: Record<string, unknown>
  }

  it('gets every line at its level, with codes and figures, and nothing of the state', async () => {
    const { lines, leaked } = await run<{ lines: Line[]; leaked: boolean }>('logged')
    expect(lines.map(({ fields }) => fields.event)).toEqual([
      'started',
      ...['forked', 'retry', 'failed', 'forked', 'saved'],
      ...['forked', 'aborted', 'reset', 'forked', 'saved'],
      ...['forked', 'saved', 'cleanupFailed', 'closed'],
    ])
    for (const { level, message, fields } of lines) {
      expect(LOG_LINES[fields.event as keyof typeof LOG_LINES]).toMatchObject({ level, message })
    }
    const fieldsOf = (event: string) => lines.find(({ fields }) => fields.event === event)?.fields
    expect(fieldsOf('failed')).toEqual({
      event: 'failed',
      reason: 'manual',
      error: {
        code: 'ERR_CHILD_FAILED',
        message: 'The child failed with exit code 70: the writer threw',
        cause: { code: 'Error', message: 'the writer threw' },
      },
    })
    expect(fieldsOf('saved')).toMatchObject({ sliceId: '2', reason: 'retry', epoch: '1', rows: 100 })
    expect(fieldsOf('cleanupFailed')).toEqual({
      event: 'cleanupFailed',
      step: 'retention',
      error: { code: 'EACCES', message: 'no access' },
    })
    expect(leaked).toBe(false)
  })

  it("may be pino's", async () => {
    const { lines } = await run<{ lines: Told[] }>('pino')
    expect(lines.map(({ level, event, msg, sliceId }) => ({ level, event, msg, sliceId }))).toEqual([
      { level: 30, event: 'started', msg: LOG_LINES.started.message },
      { level: 20, event: 'forked', msg: LOG_LINES.forked.message, sliceId: '1' },
      { level: 30, event: 'saved', msg: LOG_LINES.saved.message, sliceId: '1' },
      { level: 30, event: 'closed', msg: LOG_LINES.closed.message },
    ])
  })

  it('that throws costs no slice, and is told as a warning', async () => {
    const { saved, failed, warnings } = await run<Record<string, unknown>>('throwingLogger')
    expect({ saved, failed }).toEqual({ saved: 'ok', failed: 'ERR_CHILD_FAILED' })
    const events = ['started', 'forked', 'saved', 'forked', 'failed']
    const told = (event: string) =>
      `ForksnapLoggerWarning: the logger threw at '${event}': Error: the disk of the log is full`
    expect((warnings as string[]).slice(0, 5)).toEqual(events.map(told))
  })
})

import { type SnapshotterEvents, warnOfThrown } from './events'
import { type Logger, loggedError, type LogLevel } from './logger'
import type { SliceMeta } from './slice/types'

/** What a Snapshotter logs besides its events. */
interface Milestones {
  started: [event: { readonly position: bigint; readonly epoch: bigint }]
  reset: [event: { readonly epoch: bigint }]
  closed: []
}

type Lines = Milestones & Omit<SnapshotterEvents, 'progress'>
export type LogLine = keyof Lines

interface Line<Args extends unknown[]> {
  readonly level: LogLevel
  readonly message: string
  /** Ids and positions become strings: JSON has no numbers for them. */
  readonly fields: (...args: Args) => object
}

/** Every line, by the name that it has in its field `event`. What `meta()` and `slice.set` gave is never logged. */
export const LOG_LINES: { readonly [K in LogLine]: Line<Lines[K]> } = {
  started: { level: 'info', message: 'snapshots are being taken', fields: withIds },
  forked: {
    level: 'debug',
    message: 'forked a child',
    fields: ({ sliceId, reason, pid, pauseMs, forkMs, quiesceMs, parkedMs }) =>
      withIds({ sliceId, reason, pid, pauseMs, forkMs, quiesceMs, parkedMs }),
  },
  saved: {
    level: 'info',
    message: 'saved a slice',
    fields: ({ meta: _meta, values: _values, ...figures }) => withIds(figures),
  },
  failed: { level: 'error', message: 'a save failed', fields: withError },
  aborted: { level: 'info', message: 'a snapshot was ended on purpose', fields: withError },
  skipped: { level: 'warn', message: 'a tick of the interval found a snapshot running', fields: (event) => event },
  retry: {
    level: 'warn',
    message: 'the save will be tried again',
    fields: ({ error, ...event }) => withError(error, event),
  },
  stopped: { level: 'error', message: 'a newer owner has taken over: nothing is saved any more', fields: withError },
  busy: {
    level: 'debug',
    message: 'the other threads were too busy to fork',
    fields: ({ error, ...event }) => withError(error, event),
  },
  pruned: {
    level: 'info',
    message: 'removed old slices',
    fields: ({ sliceIds }) => ({ sliceIds: sliceIds.map(String) }),
  },
  cleanupFailed: { level: 'warn', message: 'a clean-up failed', fields: withError },
  reset: { level: 'info', message: 'a new epoch has begun', fields: withIds },
  closed: { level: 'info', message: 'the snapshotter is closed', fields: () => ({}) },
}

function withIds(fields: object): object {
  const entries = Object.entries(fields) as [string, unknown][]
  return Object.fromEntries(entries.map(([key, value]) => [key, typeof value === 'bigint' ? String(value) : value]))
}

function withError(error: unknown, event: object = {}): object {
  return { ...event, error: loggedError(error) }
}

/** Logs what happens to one Snapshotter; without a logger, nothing. */
export class SnapshotLog {
  readonly #logger: Logger | undefined

  constructor(logger: Logger | undefined) {
    this.#logger = logger
  }

  /** Never throws: a logger that does is reported as a process warning, and the save goes on. */
  line<K extends LogLine>(event: K, ...args: Lines[K]): void {
    if (this.#logger === undefined) return
    const { level, message, fields }: Line<Lines[K]> = LOG_LINES[event]
    try {
      this.#logger[level]({ event, ...fields(...args) }, message)
    } catch (error) {
      warnOfThrown(`the logger threw at '${event}'`, error, 'ForksnapLoggerWarning')
    }
  }

  /** Of an event, if it is one that is logged. */
  event<M extends SliceMeta, K extends keyof SnapshotterEvents>(event: K, args: SnapshotterEvents<M>[K]): void {
    if (event !== 'progress') this.line(event, ...(args as never))
  }
}

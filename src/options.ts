import type { BackOff } from './back-off'
import * as check from './checks'
import { checkChildOptions } from './child-options'
import { defined, invalidArgument, TIMER_MS_MAX } from './checks'
import type { ChildOptions } from './fork-job'
import { DEFER_FULL_GC_MS } from './full-gc'
import type { SavePoint } from './save-points'
import { type Logger, LOG_LEVELS } from './logger'
import type { SliceMeta, SliceWriter } from './slice/types'
import type { SliceStore } from './store/store'

/** What a Snapshotter needs of an operation log. */
export interface DurableLog {
  /** Resolves once every entry up to and including `position` is durable; without one, every entry there is now. */
  sync(position?: bigint): Promise<void>
  /** Entries up to and including `position` are in every slice that is kept, and may go. */
  prune?(position: bigint): Promise<unknown>
}

/** Bounds of a save, in milliseconds: whole numbers from 0, `quiesceMs` from 1, to 2^31 - 1. */
export interface LimitOptions {
  /** Give up one attempt to bring the other threads to rest after so many milliseconds. Default 5,000. */
  readonly quiesceMs?: number
  /** Attempts that found the threads too busy are repeated for so many milliseconds; 0 = tried once. Default 30,000. */
  readonly busyMs?: number
  /** Kill a child that has made no progress for so many milliseconds; 0 = no limit. Default 60,000. */
  readonly stallMs?: number
  /** Kill a child that is older than so many milliseconds; 0 = no limit. Default 3,600,000. */
  readonly totalMs?: number
  /**
   * Give up a save whose store does not give it a sink, or whose log does not become durable, within so many
   * milliseconds; 0 = no limit. `close()` waits as long for the store's. Default 60,000.
   */
  readonly answerMs?: number
  /**
   * Wait no longer than so many milliseconds for what follows a save, removing old slices and pruning the log: then it is
   * told as `cleanupFailed`, and goes on by itself if it can. 0 = no limit. Default 60,000.
   */
  readonly cleanupMs?: number
}

/** How a failed save is tried again. */
export interface RetryOptions extends Partial<BackOff> {
  /** How many retries may follow one another before the schedule waits for its next turn. Default: no limit. */
  readonly attempts?: number
}

/** Bounds of one warm-up, which comes before each fork; the later ones mostly need a small part of it. */
export interface WarmUpOptions {
  /** Rows that the warm-up goes through at most, 0 to 2^53 - 1. Default 200,000. */
  readonly rows?: number
  /** Time that it takes at most, in milliseconds. Default 1,000. */
  readonly ms?: number
  /** Time after which each pass lets the event loop turn, in milliseconds, from 1. Default 8. */
  readonly passMs?: number
}

/**
 * What a Snapshotter saves, where, when, and within which bounds. What is out of its range throws
 * `ERR_INVALID_ARGUMENT`.
 */
export interface SnapshotterOptions<M extends SliceMeta = SliceMeta> {
  /** Where the slices go. The Snapshotter starts it and closes it. */
  readonly store: SliceStore
  /**
   * Writes the state. It runs in the child and must be synchronous: the child's event loop never runs, so a promise
   * would never settle. During the warm-up it also runs in the parent, its output thrown away and cut short; it must
   * change nothing. An async function does not fit the type, and is refused when it runs.
   */
  readonly write: (slice: SliceWriter) => undefined
  /** What belongs to the same instant as the state. It runs in the parent, in the same tick as the fork: be brief. */
  readonly meta?: () => M
  /** A slice is published only once this log is durable up to `meta().position`, or altogether if there is none. */
  readonly log?: DurableLog
  /** Milliseconds between scheduled saves, the first one interval after `start()`; 0 = none. Default 3,600,000. */
  readonly intervalMs?: number
  /** Saves that come with changes, see `SavePoint`. Default: none. */
  readonly savePoints?: readonly SavePoint[]
  /** Bounds of a save. */
  readonly limits?: LimitOptions
  /** The back-off after a failed save. Default: 5 s, doubling up to 60 s, for as long as it fails. */
  readonly retry?: RetryOptions
  /** Whether `assertWritable()` refuses writes from a failed save until one succeeds. Default true. */
  readonly stopWritesOnSaveError?: boolean
  /**
   * Before each fork `write` runs in the parent for a moment, so that the child begins with optimised code: to optimise it
   * there takes time, and a child without `v8Workers` never does. Only its rows can be cut short: what else it computes, a digest for instance, runs
   * in full and keeps the event loop waiting. `false` leaves the warm-up out; do so if that takes long, or if `write`
   * may end the process or never return.
   */
  readonly warmUp?: WarmUpOptions | false
  /** How the child is set up. */
  readonly child?: ChildOptions
  /** Is told what happens, as docs/observability.md lists it; pino's loggers fit. Default: nobody is. */
  readonly logger?: Logger
  /**
   * While a child lives V8 is asked to begin no full collection, which would write to pages all over the heap and so copy
   * them, for so many milliseconds at most; 0 = not at all. Garbage piles up meanwhile, up to half of what the heap holds, or
   * half of what is left to `--max-old-space-size`: then V8 collects as ever. Default 60,000.
   */
  readonly deferFullGcMs?: number
  /** Milliseconds between `progress` events, 1 to 2^31 - 1. Default 100. */
  readonly progressMs?: number
}

export type ResolvedOptions<M extends SliceMeta> = Omit<
  Required<SnapshotterOptions<M>>,
  'log' | 'limits' | 'retry' | 'warmUp' | 'logger'
> & {
  readonly logger: Logger | undefined
  readonly log: DurableLog | undefined
  readonly limits: Required<LimitOptions>
  readonly retry: Required<RetryOptions>
  readonly warmUp: Required<WarmUpOptions> | undefined
}

const DEFAULTS = {
  intervalMs: 3_600_000,
  limits: {
    quiesceMs: 5_000,
    busyMs: 30_000,
    stallMs: 60_000,
    totalMs: 3_600_000,
    answerMs: 60_000,
    cleanupMs: 60_000,
  },
  retry: { attempts: Infinity, initialMs: 5_000, maxMs: 60_000, factor: 2 },
  warmUp: { rows: 200_000, ms: 1_000, passMs: 8 },
  deferFullGcMs: DEFER_FULL_GC_MS,
  progressMs: 100,
} as const

const KEYS: readonly (keyof SnapshotterOptions)[] = [
  'store',
  'write',
  'meta',
  'log',
  'intervalMs',
  'savePoints',
  'limits',
  'retry',
  'stopWritesOnSaveError',
  'warmUp',
  'child',
  'logger',
  'deferFullGcMs',
  'progressMs',
]

/** Checks every option and fills in the defaults. Throws `ERR_INVALID_ARGUMENT`, naming the option and its range. */
export function resolveOptions<M extends SliceMeta>(options: SnapshotterOptions<M>): ResolvedOptions<M> {
  check.checkOptions('options', options, KEYS)
  check.checkMethods('store', options.store, ['start', 'create', 'list', 'beginEpoch', 'prune', 'close'])
  check.checkFunction('write', options.write)
  if (options.meta !== undefined) check.checkFunction('meta', options.meta)
  if (options.log !== undefined) check.checkMethods('log', options.log, ['sync'])
  if (options.logger !== undefined) check.checkMethods('logger', options.logger, LOG_LEVELS)
  const intervalMs = options.intervalMs ?? DEFAULTS.intervalMs
  check.checkWhole('intervalMs', intervalMs, 0, TIMER_MS_MAX)
  const deferFullGcMs = options.deferFullGcMs ?? DEFAULTS.deferFullGcMs
  check.checkWhole('deferFullGcMs', deferFullGcMs, 0, TIMER_MS_MAX)
  const progressMs = options.progressMs ?? DEFAULTS.progressMs
  check.checkWhole('progressMs', progressMs, 1, TIMER_MS_MAX)
  const stopWritesOnSaveError = options.stopWritesOnSaveError ?? true
  check.checkBoolean('stopWritesOnSaveError', stopWritesOnSaveError)
  return {
    store: options.store,
    write: (slice) => options.write(slice),
    // Without meta() there is no value of type M that anybody could rely on, so the empty one stands for it.
    meta: () => (options.meta === undefined ? ({} as M) : options.meta()),
    log: options.log,
    intervalMs,
    savePoints: savePointsOf(options.savePoints ?? []),
    limits: limitsOf(options.limits ?? {}),
    retry: retryOf(options.retry ?? {}),
    stopWritesOnSaveError,
    warmUp: options.warmUp === false ? undefined : warmUpOf(options.warmUp ?? {}),
    child: checkChildOptions('child', options.child ?? {}),
    logger: options.logger,
    deferFullGcMs,
    progressMs,
  }
}

function savePointsOf(points: readonly SavePoint[]): readonly SavePoint[] {
  if (!Array.isArray(points)) throw invalidArgument('savePoints', 'an array of { seconds, changes }', points)
  return points.map((point: SavePoint, index) => {
    const name = `savePoints[${index}]`
    check.checkOptions(name, point, ['seconds', 'changes'])
    check.checkWhole(`${name}.seconds`, point.seconds, 1, Math.floor(TIMER_MS_MAX / 1000))
    check.checkWhole(`${name}.changes`, point.changes, 1, Number.MAX_SAFE_INTEGER)
    return { seconds: point.seconds, changes: point.changes }
  })
}

function limitsOf(limits: LimitOptions): Required<LimitOptions> {
  check.checkOptions('limits', limits, Object.keys(DEFAULTS.limits))
  const resolved = { ...DEFAULTS.limits, ...defined(limits) }
  check.checkWhole('limits.quiesceMs', resolved.quiesceMs, 1, TIMER_MS_MAX)
  check.checkWhole('limits.busyMs', resolved.busyMs, 0, TIMER_MS_MAX)
  check.checkWhole('limits.stallMs', resolved.stallMs, 0, TIMER_MS_MAX)
  check.checkWhole('limits.totalMs', resolved.totalMs, 0, TIMER_MS_MAX)
  check.checkWhole('limits.answerMs', resolved.answerMs, 0, TIMER_MS_MAX)
  check.checkWhole('limits.cleanupMs', resolved.cleanupMs, 0, TIMER_MS_MAX)
  return resolved
}

function retryOf(retry: RetryOptions): Required<RetryOptions> {
  check.checkOptions('retry', retry, Object.keys(DEFAULTS.retry))
  const resolved = { ...DEFAULTS.retry, ...defined(retry) }
  if (resolved.attempts !== Infinity) check.checkWhole('retry.attempts', resolved.attempts, 0, Number.MAX_SAFE_INTEGER)
  check.checkWhole('retry.initialMs', resolved.initialMs, 1, TIMER_MS_MAX)
  check.checkWhole('retry.maxMs', resolved.maxMs, resolved.initialMs, TIMER_MS_MAX)
  check.checkNumber('retry.factor', resolved.factor, 1, 1_000)
  return resolved
}

function warmUpOf(warmUp: WarmUpOptions): Required<WarmUpOptions> {
  check.checkOptions('warmUp', warmUp, Object.keys(DEFAULTS.warmUp))
  const resolved = { ...DEFAULTS.warmUp, ...defined(warmUp) }
  check.checkWhole('warmUp.rows', resolved.rows, 0, Number.MAX_SAFE_INTEGER)
  check.checkWhole('warmUp.ms', resolved.ms, 0, TIMER_MS_MAX)
  check.checkWhole('warmUp.passMs', resolved.passMs, 1, TIMER_MS_MAX)
  return resolved
}

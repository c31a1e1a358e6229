import type { ForkInfo, Progress } from './fork-job'
import type { Saved } from './saved'
import { errnoOf } from './errors'

/**
 * What a Snapshotter tells about itself, as a plain object that can go into a log or a metrics page as it is. In
 * brackets the field of Redis's `INFO persistence` or `INFO stats` that has the same meaning.
 */
export interface SnapshotterStats {
  /** How the last save ended; 'none' before the first. One that was ended on purpose does not count. [rdb_last_bgsave_status] */
  lastStatus: 'none' | 'ok' | 'failed'
  /** Why the last save failed; null after one that succeeded. */
  lastError: DescribedError | null
  /** Since when every save has failed, in milliseconds since the epoch; null while saving works. */
  failingSince: number | null
  /** When the last slice was published, in milliseconds since the epoch; null before the first. [rdb_last_save_time] */
  lastSaveTime: number | null
  /** Id of the last slice that was published; null before the first. */
  lastSliceId: bigint | null
  /** Changes that `changed()` counted and no published slice holds yet. [rdb_changes_since_last_save] */
  changesSinceLastSave: number
  /** Whether a snapshot is running now. [rdb_bgsave_in_progress] */
  inProgress: boolean
  /** Rows that the running child has written; 0 when none runs. */
  currentRows: number
  /** Bytes that the running child has written; 0 when none runs. */
  currentBytes: number
  /** Copy-on-write bytes of the running child as it last measured them; 0 when none runs. [current_cow_size] */
  currentCowBytes: number
  /** Seconds since the running snapshot began; 0 when none runs. [rdb_current_bgsave_time_sec] */
  currentSeconds: number
  /** The system call fork() alone, in microseconds, of the latest fork; 0 before the first. [latest_fork_usec] */
  latestForkUsec: number
  /** The whole synchronous part in the parent at the latest fork, in milliseconds. */
  lastPauseMs: number
  /** From the start of the work to the latest fork, in milliseconds; the parent was serving all the time. */
  lastQuiesceMs: number
  /** Longest time the event loop did not turn during the last save, in milliseconds. */
  longestGapMs: number
  /**
   * Copy-on-write bytes of the last save's child: pages that it or its parent has written since the fork, and its own new
   * memory. [rdb_last_cow_size]
   */
  lastCowBytes: number
  /** Page faults of this process that needed no disk, from the last fork to its child's end. */
  lastFaults: number
  /** At most so many bytes this process copied for its own writes meanwhile: its faults in pages. */
  lastCopiedBytesMax: number
  /** Longest time the event loop did not turn meanwhile, the pause left out, in milliseconds. */
  lastChildGapMs: number
  /** Median of the event loop's delay meanwhile, in milliseconds. */
  lastChildDelayP50Ms: number
  /** Its 99th percentile, in milliseconds. */
  lastChildDelayP99Ms: number
  /** Its 99.9th percentile, in milliseconds. */
  lastChildDelayP999Ms: number
  /** Collections of this process's young generation meanwhile. */
  lastYoungGcs: number
  /** Full collections of this process meanwhile. */
  lastFullGcs: number
  /** From the beginning of the last save to its publication, in milliseconds. [rdb_last_bgsave_time_sec] */
  lastSaveMs: number
  /** Rows that the warm-up before the latest fork went through. */
  lastWarmUpRows: number
  /** Time that this warm-up took, in milliseconds; the event loop turned between its passes. */
  lastWarmUpMs: number
  /** Saves that published a slice. [rdb_saves] */
  saves: number
  /** Saves that failed. */
  failures: number
  /** Snapshots that were ended on purpose, or came to nothing because of a new epoch. */
  aborted: number
  /** Ticks of the interval that found a snapshot running and were left out. */
  skipped: number
  /** Saves that were begun again because the one before had failed, or had come to nothing. */
  retries: number
  /** Why the schedule has ended for good, a newer owner of the store; null while it goes on. */
  scheduleStopped: DescribedError | null
  /** Attempts to fork that found the other threads too busy. */
  busy: number
  /** Bytes of the V8 heap that are packed into huge pages (`forksnap exec`); 0 where it is not. */
  packedHeapBytes: number
  /** Times that something failed which does not concern the slice: removing old ones, pruning the log, cleaning up. */
  cleanupFailures: number
  /** The last of those failures; null if there was none. */
  lastCleanupError: DescribedError | null
}

/** What the figures keep of an error. */
export interface DescribedError {
  /** Its code, such as `ERR_STORE_FAILED` or `ENOSPC`, or its class where it has none. */
  code: string
  /** Its message. */
  message: string
}

/** The error's code (the system's name of it, or the class for errors that have none) and its message. */
export function describeError(error: unknown): DescribedError {
  if (!(error instanceof Error)) return { code: 'Error', message: String(error) }
  return { code: errnoOf(error) ?? error.name, message: error.message }
}

const INITIAL: SnapshotterStats = {
  lastStatus: 'none',
  lastError: null,
  failingSince: null,
  lastSaveTime: null,
  lastSliceId: null,
  changesSinceLastSave: 0,
  inProgress: false,
  currentRows: 0,
  currentBytes: 0,
  currentCowBytes: 0,
  currentSeconds: 0,
  latestForkUsec: 0,
  lastPauseMs: 0,
  lastQuiesceMs: 0,
  longestGapMs: 0,
  lastCowBytes: 0,
  lastFaults: 0,
  lastCopiedBytesMax: 0,
  lastChildGapMs: 0,
  lastChildDelayP50Ms: 0,
  lastChildDelayP99Ms: 0,
  lastChildDelayP999Ms: 0,
  lastYoungGcs: 0,
  lastFullGcs: 0,
  lastSaveMs: 0,
  lastWarmUpRows: 0,
  lastWarmUpMs: 0,
  saves: 0,
  failures: 0,
  aborted: 0,
  skipped: 0,
  retries: 0,
  scheduleStopped: null,
  busy: 0,
  packedHeapBytes: 0,
  cleanupFailures: 0,
  lastCleanupError: null,
}

/** Keeps the figures; each method is one thing that happened. */
export class StatsKeeper {
  readonly #stats: SnapshotterStats = { ...INITIAL }
  #begunAt = 0
  #changesAtFork = 0

  /** A copy of the figures as they are now. */
  read(): SnapshotterStats {
    const currentSeconds = this.#stats.inProgress ? (performance.now() - this.#begunAt) / 1000 : 0
    return { ...this.#stats, currentSeconds }
  }

  /** Changes that no published slice holds yet. */
  get changes(): number {
    return this.#stats.changesSinceLastSave
  }

  /** Whether the last save failed. */
  get failing(): boolean {
    return this.#stats.lastStatus === 'failed'
  }

  /** Counts changes; returns all that no published slice holds yet. */
  changed(changes: number): number {
    return (this.#stats.changesSinceLastSave += changes)
  }

  begun(retry: boolean): void {
    this.#begunAt = performance.now()
    this.#stats.inProgress = true
    if (retry) this.#stats.retries++
  }

  /**
   * The instant of the fork: the slice will hold all changes up to now. They are taken off the count only once it is
   * published, since a failed save has made nothing safe (Redis's `dirty_before_bgsave`).
   */
  forking(): void {
    this.#changesAtFork = this.#stats.changesSinceLastSave
  }

  forked(info: ForkInfo): void {
    this.#stats.latestForkUsec = info.forkMs * 1000
    this.#stats.lastPauseMs = info.pauseMs
    this.#stats.lastQuiesceMs = info.quiesceMs
  }

  progress({ rows, bytes, cowBytes }: Progress): void {
    this.#stats.currentRows = rows
    this.#stats.currentBytes = bytes
    this.#stats.currentCowBytes = cowBytes
  }

  longestGap(ms: number): void {
    this.#stats.longestGapMs = ms
  }

  warmedUp(rows: number, ms: number): void {
    this.#stats.lastWarmUpRows = rows
    this.#stats.lastWarmUpMs = ms
  }

  saved(saved: Saved): void {
    Object.assign(this.#stats, {
      lastStatus: 'ok',
      lastError: null,
      failingSince: null,
      lastSaveTime: Date.now(),
      lastSliceId: saved.sliceId,
      changesSinceLastSave: this.#stats.changesSinceLastSave - this.#changesAtFork,
      longestGapMs: saved.longestGapMs,
      lastCowBytes: saved.cowBytes,
      lastFaults: saved.faults.child,
      lastCopiedBytesMax: saved.copiedBytesMax,
      lastChildGapMs: saved.childDelay.longestGapMs,
      lastChildDelayP50Ms: saved.childDelay.p50Ms,
      lastChildDelayP99Ms: saved.childDelay.p99Ms,
      lastChildDelayP999Ms: saved.childDelay.p999Ms,
      lastYoungGcs: saved.collections.young,
      lastFullGcs: saved.collections.full,
      lastSaveMs: saved.totalMs,
      saves: this.#stats.saves + 1,
    } satisfies Partial<SnapshotterStats>)
  }

  failed(error: unknown): void {
    this.#stats.lastStatus = 'failed'
    this.#stats.lastError = describeError(error)
    this.#stats.failingSince ??= Date.now()
    this.#stats.failures++
  }

  aborted(): void {
    this.#stats.aborted++
  }

  skipped(): void {
    this.#stats.skipped++
  }

  scheduleStopped(error: unknown): void {
    this.#stats.scheduleStopped = describeError(error)
  }

  busy(): void {
    this.#stats.busy++
  }

  cleanupFailed(error: unknown): void {
    this.#stats.cleanupFailures++
    this.#stats.lastCleanupError = describeError(error)
  }

  /** The running snapshot is over, however it ended. */
  ended(): void {
    this.#changesAtFork = 0
    this.#stats.inProgress = false
    this.progress({ rows: 0, bytes: 0, cowBytes: 0 })
  }
}

import { backOffMs } from './back-off'
import { isForksnapError } from './errors'
import type { ResolvedOptions } from './options'
import { nextChangesThreshold, savePointDueMs } from './save-points'
import type { SliceMeta } from './slice/types'

/** What the schedule asks of the snapshotter, and tells it. */
export interface ScheduleHooks {
  isRunning(): boolean
  /** Changes that no published slice holds yet. */
  changes(): number
  save(reason: 'interval' | 'save-point' | 'retry'): void
  skipped(): void
  retrying(event: { failures: number; delayMs: number; error: unknown }): void
  /** There will be no save any more that nobody asks for. */
  stopped(error: unknown): void
}

type ScheduleOptions = Pick<ResolvedOptions<SliceMeta>, 'intervalMs' | 'savePoints' | 'retry'>

/**
 * Decides when to save without being asked: by the interval, by save points, and again after a failure. Its timers
 * never keep the process alive, and a save begins in a turn of its own, never inside the caller's `changed()`.
 */
export class Schedule {
  readonly #options: ScheduleOptions
  readonly #hooks: ScheduleHooks
  #interval: NodeJS.Timeout | undefined
  #savePoint: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #active = false
  #failures = 0
  /** Since when save points count seconds, on the monotonic clock: the last save, or the start. */
  #countingSince = 0
  /** Before this time no save point begins a save: the back-off after a failure. */
  #notBefore = 0
  #threshold = Infinity

  constructor(options: ScheduleOptions, hooks: ScheduleHooks) {
    this.#options = options
    this.#hooks = hooks
  }

  start(): void {
    if (this.#active) return
    this.#active = true
    this.#countingSince = performance.now()
    const { intervalMs } = this.#options
    if (intervalMs > 0) this.#interval = setInterval(() => this.#tick(), intervalMs).unref()
    this.#evaluate()
  }

  stop(): void {
    this.#active = false
    clearInterval(this.#interval)
    this.#clearPending()
    this.#threshold = Infinity
  }

  /** Runs for every change of the engine; only the changes that reach a save point cost more than a comparison. */
  changed(changes: number): void {
    if (changes >= this.#threshold) this.#evaluate()
  }

  /** A save of any kind has begun: whatever was waiting is served by it. */
  began(): void {
    this.#clearPending()
  }

  saved(): void {
    this.#failures = 0
    this.#notBefore = 0
    this.#countingSince = performance.now()
    this.#evaluate()
  }

  /** A save was ended on purpose: what it had taken over, a retry above all, waits again. */
  aborted(): void {
    if (!this.#active) return
    if (this.#failures > 0 && this.#failures <= this.#options.retry.attempts) this.#armRetry()
    else this.#evaluate()
  }

  /**
   * After a failed save of any kind the next is tried with back-off, if saves are scheduled at all: where writes stop
   * until a save succeeds, waiting for the next tick of an hourly interval would not do.
   */
  failed(error: unknown): void {
    const { retry } = this.#options
    if (!this.#saves) return
    // A newer owner has taken over, and nothing that this process does can change that.
    if (isForksnapError(error, 'ERR_FENCED')) {
      this.stop()
      this.#hooks.stopped(error)
      return
    }
    const failures = ++this.#failures
    if (failures > retry.attempts) {
      this.#notBefore = performance.now() + backOffMs(failures, retry)
      this.#evaluate()
      return
    }
    this.#hooks.retrying({ failures, delayMs: this.#armRetry(), error })
  }

  /**
   * A save was in vain because this process has begun a new epoch meanwhile. Saving works, so that it counts as no
   * failure, but the new epoch has no slice yet, and the next tick may be an hour away.
   */
  obsolete(error: unknown): void {
    if (this.#saves) this.#hooks.retrying({ failures: this.#failures, delayMs: this.#armRetry(), error })
  }

  get #saves(): boolean {
    const { intervalMs, savePoints } = this.#options
    return this.#active && (intervalMs > 0 || savePoints.length > 0)
  }

  #armRetry(): number {
    const delayMs = backOffMs(Math.max(1, this.#failures), this.#options.retry)
    this.#retry = setTimeout(() => this.#begin('retry'), delayMs).unref()
    return delayMs
  }

  #tick(): void {
    if (this.#hooks.isRunning()) this.#hooks.skipped()
    else this.#hooks.save('interval')
  }

  #begin(reason: 'save-point' | 'retry'): void {
    if (this.#active && !this.#hooks.isRunning()) this.#hooks.save(reason)
  }

  /** Arms the timer of the save point that is due first. While a save runs or a retry waits, they come first. */
  #evaluate(): void {
    clearTimeout(this.#savePoint)
    this.#savePoint = undefined
    if (!this.#active) return
    const changes = this.#hooks.changes()
    this.#threshold = nextChangesThreshold(this.#options.savePoints, changes)
    if (this.#hooks.isRunning() || this.#retry !== undefined) return
    const now = performance.now()
    const dueMs = savePointDueMs(this.#options.savePoints, changes, now - this.#countingSince)
    if (dueMs === undefined) return
    const delayMs = Math.ceil(Math.max(dueMs, this.#notBefore - now))
    this.#savePoint = setTimeout(() => this.#begin('save-point'), delayMs).unref()
  }

  #clearPending(): void {
    clearTimeout(this.#savePoint)
    clearTimeout(this.#retry)
    this.#savePoint = undefined
    this.#retry = undefined
  }
}

import type { PageState } from './binding'
import type { ForkLimits, Progress } from './fork-job'

export type KillReason = 'stalled' | 'timeout'

/** The shortest time between two looks at the child, in milliseconds. */
const TICK_MIN_MS = 5

/**
 * Watches a child's progress and says when a limit is reached. Time counts only as far as this process itself was
 * running: after a SIGCONT or a paused machine, one late tick must not look like a stall of the child.
 */
export class ChildGuard {
  private readonly tickMs: number
  private timer: NodeJS.Timeout | undefined
  private lastTick = 0
  private beats = -1
  private stalledMs = 0
  private totalMs = 0

  constructor(
    private readonly limits: ForkLimits,
    progressMs: number,
    private readonly read: () => PageState,
    private readonly onProgress: (progress: Progress) => void,
    private readonly onLimit: (reason: KillReason) => void,
  ) {
    const finest = [limits.stallMs, limits.totalMs].filter((ms) => ms > 0).map((ms) => ms / 4)
    this.tickMs = Math.max(TICK_MIN_MS, Math.min(progressMs, ...finest))
  }

  start(): void {
    this.lastTick = performance.now()
    this.timer = setInterval(this.tick, this.tickMs)
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private readonly tick = (): void => {
    const now = performance.now()
    const elapsed = Math.min(now - this.lastTick, 2 * this.tickMs)
    this.lastTick = now
    const state = this.read()
    this.totalMs += elapsed
    this.stalledMs = state.beats === this.beats ? this.stalledMs + elapsed : 0
    this.beats = state.beats
    this.onProgress({ rows: state.rows, bytes: state.bytes, cowBytes: state.cowBytes })
    const { stallMs, totalMs } = this.limits
    if (stallMs > 0 && this.stalledMs >= stallMs) this.onLimit('stalled')
    else if (totalMs > 0 && this.totalMs >= totalMs) this.onLimit('timeout')
  }
}

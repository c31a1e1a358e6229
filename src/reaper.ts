import os from 'node:os'
import { binding, type ChildWatch } from './binding'
import { errnoOf } from './errors'
import { childBegan, childEnded } from './huge-pages'
import { waitpidRaw, WNOHANG, type WaitStatus } from './wait'

/** `unknown`: somebody else took the status, or SIGCHLD is ignored; the child is gone, how it ended nobody knows. */
export type ChildEnd = WaitStatus | 'unknown'

/** How often a child without a pidfd is looked at besides SIGCHLD, which coalesces and may be somebody else's. */
const POLL_MS = 50

/**
 * Waits for one child of our own, and only for that one. A pidfd wakes the loop exactly at its end (Linux 5.3); where it
 * is refused, SIGCHLD and a timer do. The process is kept alive until the child has been reaped.
 */
export class Reaper {
  readonly ended: Promise<ChildEnd>
  private settle!: (end: ChildEnd) => void
  private watch: ChildWatch | undefined
  private timer: NodeJS.Timeout | undefined
  private over = false

  constructor(
    readonly pid: number,
    /** False takes the portable path, for tests of it. */
    usePidfd = true,
  ) {
    this.ended = new Promise((resolve) => (this.settle = resolve))
    childBegan()
    if (usePidfd) this.openWatch()
    // Asked once the pidfd is open: if the child is still ours then, the pidfd stands for it, and not for a process that has
    // got its number since.
    if (!this.check() && this.watch === undefined) this.startPolling()
  }

  private openWatch(): void {
    try {
      this.watch = new (binding().ChildWatch)(this.pid, this.look)
    } catch {
      // ENOSYS on an old kernel or macOS, EPERM in a sandbox, ESRCH when somebody has already reaped the child.
    }
  }

  private startPolling(): void {
    this.timer = setInterval(this.look, POLL_MS)
    process.on('SIGCHLD', this.look)
    this.look()
  }

  /** Asks for the status; returns whether the child is over. */
  private check(): boolean {
    if (this.over) return true
    let end: ChildEnd | null
    try {
      end = waitpidRaw(this.pid, WNOHANG)
    } catch {
      // ECHILD: never guess, never touch that pid again.
      end = 'unknown'
    }
    if (end !== null) this.finish(end)
    return this.over
  }

  private readonly look = (): void => {
    if (!this.check() && this.watch !== undefined && this.timer === undefined) this.startPolling()
  }

  private finish(end: ChildEnd): void {
    this.over = true
    this.watch?.close()
    if (this.timer !== undefined) {
      clearInterval(this.timer)
      process.off('SIGCHLD', this.look)
    }
    childEnded()
    this.settle(end)
  }

  /**
   * Sends a signal to the child, never to a process that merely has its number now: only after `waitpid` has just said
   * that the child is still ours and has not ended by itself, and by pidfd if there is one. Returns whether it was sent.
   */
  kill(signal: NodeJS.Signals): boolean {
    const number = os.constants.signals[signal]
    try {
      // A child may have ended while this loop was busy; a zombie takes any signal, which would then seem to have ended it.
      if (this.check()) return false
      if (this.watch === undefined) return process.kill(this.pid, number)
      this.watch.signal(number)
      return true
    } catch (error) {
      if (errnoOf(error) === 'ESRCH') return false
      throw error
    }
  }
}

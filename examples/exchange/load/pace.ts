import { setImmediate, setTimeout } from 'node:timers/promises'

export interface PaceOptions {
  /** Requests a second; Infinity: another one as soon as one is answered. */
  readonly rate: number
  readonly seconds: number
  /** Requests that may be without an answer. */
  readonly inFlight: number
  readonly signal?: AbortSignal
  /** Sends the request that was due at this time (by `performance.now()`), and calls `done` once it is answered. */
  readonly send: (intendedMs: number, done: () => void) => void
}

export interface PaceReport {
  /** Requests that were due. */
  readonly planned: number
  readonly sent: number
  /** Those that had to wait since too many were in flight; their latency counts from when they were due. */
  readonly heldBack: number
  /** Until the last request was due or the time was over. */
  readonly elapsedMs: number
}

/** Requests that are sent before the event loop turns, so that answers are not kept waiting by a backlog. */
const BURST_MAX = 64
/** How long after the end requests are still sent that were due before it. */
const GRACE_MS = 500
/** How long the answers to the last requests may take. */
const DRAIN_MS = 15_000

/** Sends requests at a steady rate until the time is over, and waits for the last answers. */
export async function pace(options: PaceOptions): Promise<PaceReport> {
  const pacer = options.rate === Infinity ? new FullSpeed(options) : new SteadyRate(options)
  const report = await pacer.run()
  const deadlineMs = performance.now() + DRAIN_MS
  while (pacer.inFlight > 0 && performance.now() < deadlineMs) await setTimeout(1)
  return report
}

/** Open loop: what the server does has no influence on when a request is due. */
class SteadyRate {
  inFlight = 0
  private sent = 0
  private heldBack = 0
  /** All requests below this number had to wait. */
  private heldBelow = 0

  constructor(private readonly options: PaceOptions) {}

  async run(): Promise<PaceReport> {
    const { rate, seconds, signal } = this.options
    const startedMs = performance.now()
    const total = Math.round(rate * seconds)
    let due = 0
    let nowMs = startedMs
    // A backlog of the last moment may still be sent; more than that is told as never sent.
    while (this.sent < total && nowMs - startedMs < seconds * 1000 + GRACE_MS && signal?.aborted !== true) {
      due = Math.min(total, Math.floor(((nowMs - startedMs) * rate) / 1000) + 1)
      this.sendUpTo(due, startedMs)
      if (this.sent < due && !this.full) await setImmediate()
      else await setTimeout(1)
      nowMs = performance.now()
    }
    return { planned: due, sent: this.sent, heldBack: this.heldBack, elapsedMs: nowMs - startedMs }
  }

  private get full(): boolean {
    return this.inFlight >= this.options.inFlight
  }

  private sendUpTo(due: number, startedMs: number): void {
    const { rate, send } = this.options
    for (let burst = 0; burst < BURST_MAX && this.sent < due && !this.full; burst++) {
      if (this.sent < this.heldBelow) this.heldBack++
      this.inFlight++
      send(startedMs + (this.sent * 1000) / rate, () => this.inFlight--)
      this.sent++
    }
    if (this.full && this.sent < due) this.heldBelow = due
  }
}

/** Closed loop, for the greatest throughput. A latency means little here: the server's backlog is as long as allowed. */
class FullSpeed {
  inFlight = 0
  private sent = 0

  constructor(private readonly options: PaceOptions) {}

  async run(): Promise<PaceReport> {
    const { seconds, signal, inFlight } = this.options
    const startedMs = performance.now()
    const endsMs = startedMs + seconds * 1000
    const running = (): boolean => performance.now() < endsMs && signal?.aborted !== true
    while (this.inFlight < inFlight) this.send(running)
    while (running()) await setTimeout(5)
    return { planned: this.sent, sent: this.sent, heldBack: 0, elapsedMs: performance.now() - startedMs }
  }

  private send(running: () => boolean): void {
    this.inFlight++
    this.sent++
    this.options.send(performance.now(), () => {
      this.inFlight--
      if (running()) this.send(running)
    })
  }
}

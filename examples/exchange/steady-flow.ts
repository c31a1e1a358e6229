import { setTimeout } from 'node:timers/promises'
import type { Flow } from './flow'

/** How many operations one turn of the loop may do to catch up; more would be a gap of the load's own making. */
const CATCH_UP_MAX = 200
/** Time of operation 0. The flow's clock is its own count, so that a run can be repeated exactly. */
const START_MS = Date.UTC(2026, 0, 1)

/** The time of the next operation, in milliseconds: one per operation since `START_MS`. */
export function flowTime(flow: Flow): number {
  return START_MS + flow.state.operationId
}

/** Who applies what the flow proposes: see `LoggedEngine`. */
export interface Answering {
  ready(): Promise<void>
  readonly durable: Promise<void>
}

/**
 * Trades at a steady rate, operations per second, in small portions between turns of the event loop until it is
 * stopped. After a pause it catches up, as a server does with requests that have queued. While the log has no room, it
 * waits; when the log fails, it ends.
 */
export class SteadyFlow {
  private stopped = false
  private readonly running: Promise<void>
  /** Operations so far. */
  done = 0
  /** How many of them were answered, since they are durable. */
  answered = 0

  constructor(
    private readonly flow: Flow,
    private readonly engine: Answering,
    private readonly perSecond: number,
    private readonly onOperations: (count: number) => void = () => undefined,
  ) {
    this.running = this.run()
    // Whoever waits for `ended` or `stop()` is told; a failure is no reason to end the process in the meantime.
    this.running.catch(() => undefined)
  }

  /** Resolves when it was stopped; rejects with what the log failed with. */
  get ended(): Promise<void> {
    return this.running
  }

  /** Resolves when everything that was done is answered. */
  async stop(): Promise<void> {
    this.stopped = true
    await this.running
  }

  private async run(): Promise<void> {
    const startedMs = performance.now()
    while (!this.stopped) {
      await setTimeout(1)
      const due = Math.floor(((performance.now() - startedMs) / 1000) * this.perSecond) - this.done
      const count = await this.trade(Math.min(due, CATCH_UP_MAX))
      if (count > 0) this.onOperations(count)
    }
    await this.engine.durable
  }

  private async trade(count: number): Promise<number> {
    let done = 0
    for (; done < count && !this.stopped; done++) {
      await this.engine.ready()
      this.flow.next(flowTime(this.flow))
    }
    this.done += done
    this.engine.durable.then(
      () => (this.answered += done),
      () => undefined,
    )
    return done
  }
}

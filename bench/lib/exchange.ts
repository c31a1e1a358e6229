import { setTimeout } from 'node:timers/promises'
import { Engine, type StateKind } from '../../examples/exchange/engine'
import { Flow, type FlowPattern } from '../../examples/exchange/flow'

const START_MS = Date.UTC(2026, 0, 1)
const SEED = 1

export interface Exchange {
  readonly engine: Engine
  readonly flow: Flow
}

export interface ExchangeKind {
  readonly state?: StateKind
  readonly pattern?: FlowPattern
}

/** The example's engine with so many resting orders, the same ones each time, as objects or in an arena. */
export function fullExchange(orders: number, { state = 'heap', pattern = 'even' }: ExchangeKind = {}): Exchange {
  const engine = new Engine({ state })
  const flow = new Flow(engine, { seed: SEED, pattern })
  flow.fillBooks(orders, START_MS)
  return { engine, flow }
}

/** How many operations one turn of the loop may do to catch up; more would be a gap of the load's own making. */
const CATCH_UP_MAX = 200

/**
 * Trades at a steady rate, operations per second, in small portions between turns of the event loop until it is
 * stopped. After a pause it catches up as a server does with requests that have queued.
 */
export class SteadyFlow {
  private stopped = false
  private readonly running: Promise<void>
  /** Operations so far. */
  done = 0

  constructor(
    private readonly exchange: Exchange,
    private readonly perSecond: number,
  ) {
    this.running = this.run()
  }

  async stop(): Promise<void> {
    this.stopped = true
    await this.running
  }

  private async run(): Promise<void> {
    const start = performance.now()
    while (!this.stopped) {
      await setTimeout(1)
      const due = Math.floor(((performance.now() - start) / 1000) * this.perSecond) - this.done
      for (let i = 0; i < Math.min(due, CATCH_UP_MAX); i++) this.exchange.flow.next(START_MS + this.done++)
    }
  }
}

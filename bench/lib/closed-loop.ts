import { setImmediate } from 'node:timers/promises'

/** One portion of work goes on for so long, in milliseconds; then the event loop turns. */
const PORTION_MS = 0.5
/** Steps between two looks at the clock. */
const STEPS = 20

/** Works as fast as it can, in portions between turns of the event loop, until it is stopped. */
export class ClosedLoop {
  private stopped = false
  private readonly running: Promise<void>
  /** Steps so far. */
  done = 0

  constructor(private readonly step: (number: number) => void) {
    this.running = this.run()
  }

  async stop(): Promise<void> {
    this.stopped = true
    await this.running
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const end = performance.now() + PORTION_MS
      do {
        for (let i = 0; i < STEPS; i++) this.step(this.done++)
      } while (performance.now() < end)
      await setImmediate()
    }
  }
}

/** The load under which snapshots are taken, and the record of the event loop's turns. */
import { createHmac } from 'node:crypto'
import { FIRST_ID, nextIndex, Numbers, type State } from './orders'

const KEY = 'a key of the exchange'
/** What one turn of the event loop does before it lets others have theirs. */
const TURN_MS = 0.2
/** Operations between two looks at the clock. */
const PORTION = 4

/**
 * One operation is what a server does for a small request: it parses 30 bytes of JSON, changes a record, and answers with
 * JSON and its HMAC. As many as fit, turn after turn of the event loop, so that what a snapshot takes away shows as fewer.
 */
export class Load {
  /** When each turn began, by `performance.now()`, and how many operations had been done until then. */
  readonly turns: number[] = []
  readonly counts: number[] = []
  private readonly numbers = new Numbers()
  private stopped = false
  private done = 0
  private readonly ended: Promise<void>

  constructor(private readonly state: State) {
    this.ended = new Promise((resolve) => this.turn(resolve))
  }

  async stop(): Promise<void> {
    this.stopped = true
    await this.ended
  }

  /** Forgets what was recorded so far. */
  forget(): void {
    this.turns.length = 0
    this.counts.length = 0
  }

  private turn(ended: () => void): void {
    const begun = performance.now()
    this.turns.push(begun)
    this.counts.push(this.done)
    if (this.stopped) return ended()
    do {
      for (let i = 0; i < PORTION; i++) this.operate(begun)
      this.done += PORTION
    } while (performance.now() - begun < TURN_MS)
    setImmediate(() => this.turn(ended))
  }

  private operate(now: number): void {
    const request = `{"id":${FIRST_ID + nextIndex(this.numbers, this.state.length)},"amount":${1 + this.numbers.next(100)}}`
    const { id, amount } = JSON.parse(request) as { id: number; amount: number }
    const remain = this.state.fill(id - FIRST_ID, amount, Math.floor(now))
    createHmac('sha256', KEY).update(JSON.stringify({ id, remain })).digest('base64')
  }
}

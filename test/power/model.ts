import type { Line } from './lines'
import { type Operation, State } from './state'

/** What a program told that cannot be, or that it lost something that it had acknowledged. */
export class Loss extends Error {
  override readonly name = 'Loss'
}

type Recovered = Extract<Line, { tell: 'recovered' }>

/** What knows from the lines of a program which states it may be found in; throws a `Loss` for any other. */
export interface Model {
  hear(line: Line): void
}

/** Knows from what the engine told which states it may have after a loss of power. */
export class EngineModel implements Model {
  /** Whether the log's policy makes an operation durable before it is acknowledged. */
  readonly #always: boolean
  /** What was recovered last. */
  #base = new State()
  readonly #since: Operation[] = []
  #acknowledged = 0
  #saved = 0
  readonly #removed = new Set<number>()

  constructor(always: boolean) {
    this.#always = always
  }

  /** Takes in what the engine told. */
  hear(line: Line): void {
    switch (line.tell) {
      case 'recovered':
        return this.#check(line)
      case 'operation':
        if (line.id !== this.#last + 1) throw new Loss(`operation ${line.id} follows ${this.#last}`)
        this.#since.push({ cell: line.cell, value: line.value })
        return
      case 'durable':
        if (this.#always) this.#acknowledge(line.id)
        return
      case 'saved':
        // The log is synced before a slice is published, whatever the policy.
        this.#acknowledge(line.position)
        this.#saved = Math.max(this.#saved, line.position)
        return
      case 'removed':
        for (const sliceId of line.sliceIds) this.#removed.add(sliceId)
        return
      case 'closed':
        return this.#acknowledge(this.#last)
      default: // A refused start is right only without power, which the caller knows.
    }
  }

  get #last(): number {
    return this.#base.position + this.#since.length
  }

  #acknowledge(id: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, id)
  }

  #check(found: Recovered): void {
    const { position, damaged } = found
    const range = `${this.#acknowledged} were acknowledged and ${this.#last} begun`
    if (position < this.#acknowledged) throw new Loss(`only ${position} operations are left: ${range}`)
    if (position > this.#last) throw new Loss(`${position} operations are there: ${range}`)
    if (damaged.length > 0) throw new Loss(`a published slice is damaged: ${damaged.join('; ')}`)
    if (found.slicePosition < this.#saved) {
      throw new Loss(`the newest slice is at ${found.slicePosition}, one at ${this.#saved} was published`)
    }
    const back = found.sliceIds.filter((sliceId) => this.#removed.has(sliceId))
    if (back.length > 0) throw new Loss(`removed slices are back: ${back.join()}`)
    this.#rebase(position)
    if (this.#base.digest() !== found.digest) throw new Loss(`the state at ${position} is another one`)
    // What was recovered is what the next operations build on: from here on it may not go any more.
    this.#acknowledge(position)
  }

  #rebase(position: number): void {
    const kept = this.#since.splice(0).slice(0, position - this.#base.position)
    for (const operation of kept) this.#base.apply(this.#base.position + 1, operation)
  }
}

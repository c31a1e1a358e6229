import { type Operation, State } from '../power/state'
import type { Line } from './lines'

/** What an engine told that cannot be, or that it lost something that it had acknowledged. */
export class Loss extends Error {
  override readonly name = 'Loss'
}

type Recovered = Extract<Line, { tell: 'recovered' }>

/** What a crash may have done beside ending the engine. */
export interface Excuses {
  /** The newest slice was damaged by the test: an older one must have taken its place, and nothing else is different. */
  readonly damaged: boolean
}

/** Knows from what the engine told which states it may have after a crash, and throws a `Loss` for any other. */
export class Model {
  #base = new State()
  /** What was told to be appended since, in order: the first of them are acknowledged, the others may be lost. */
  #since: Operation[] = []
  #acknowledged = 0
  #saved = -1
  #resetting = false
  excuses: Excuses = { damaged: false }

  /** Whether a reset was begun and not ended, so that a start may be refused for it. */
  get resetting(): boolean {
    return this.#resetting
  }

  hear(line: Line): void {
    switch (line.tell) {
      case 'recovered':
        return this.#check(line)
      case 'operation':
        if (line.id !== this.#last + 1) throw new Loss(`operation ${line.id} follows ${this.#last}`)
        this.#since.push({ cell: line.cell, value: line.value })
        return
      case 'acknowledged':
        this.#acknowledged = Math.max(this.#acknowledged, line.id)
        return
      case 'saved':
        this.#saved = Math.max(this.#saved, line.position)
        return
      case 'resetting':
        this.#resetting = true
        return
      case 'reset':
        return this.#empty()
      case 'closed':
        this.#acknowledged = this.#last
        return
      case 'refused':
        if (this.#resetting && line.code === 'ERR_LOG_GAP') return
        throw new Loss(`the start was refused: ${line.code}, ${line.message}`)
      case 'forked':
      case 'not saved':
    }
  }

  get #last(): number {
    return this.#base.position + this.#since.length
  }

  #empty(): void {
    this.#base = new State()
    this.#since = []
    this.#acknowledged = 0
    this.#saved = -1
    this.#resetting = false
  }

  #check(found: Recovered): void {
    const { position, slicePosition, passedOver } = found
    if (this.#resetting && position === 0 && slicePosition === -1) this.#empty()
    const range = `${this.#acknowledged} were acknowledged and ${this.#last} begun`
    if (position < this.#acknowledged) throw new Loss(`only ${position} operations are left: ${range}`)
    if (position > this.#last) throw new Loss(`${position} operations are there: ${range}`)
    const { damaged } = this.excuses
    if (passedOver > (damaged ? 1 : 0)) throw new Loss(`${passedOver} published slices are damaged`)
    if (slicePosition < this.#saved && !damaged && !this.#resetting) {
      throw new Loss(`the newest slice is at ${slicePosition}, one at ${this.#saved} was published`)
    }
    this.#rebase(position)
    if (this.#base.digest() !== found.digest) throw new Loss(`the state at ${position} is another one`)
    // What was recovered is what the next operations build on: from here on it may not go any more.
    this.#acknowledged = position
    this.#saved = slicePosition
    this.#resetting = false
  }

  #rebase(position: number): void {
    const kept = this.#since.splice(0).slice(0, position - this.#base.position)
    for (const operation of kept) this.#base.apply(this.#base.position + 1, operation)
  }
}

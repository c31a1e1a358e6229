import type { ForksnapError } from './errors'
import type { Saved, SaveReason } from './saved'
import { SharedWork } from './shared-work'
import type { SliceMeta } from './slice/types'

/** A snapshot that is running or waits for its turn. */
export interface Flight<M extends SliceMeta> {
  readonly reason: SaveReason
  readonly work: SharedWork<Saved<M>>
  /** Whether its state is fixed by now. */
  forked: boolean
}

/** What the Snapshotter does for its flights. */
export interface FlightWork<M extends SliceMeta> {
  /** Called right before `run`. */
  begun(flight: Flight<M>): void
  /** Takes the snapshot, and calls `ended()` and `launchNext()` at its end, whatever it is. */
  run(flight: Flight<M>, signal: AbortSignal): Promise<Saved<M>>
}

/** The snapshots of a process, of which one runs at a time and one at most waits for its turn. */
export class Flights<M extends SliceMeta> {
  readonly #work: FlightWork<M>
  #running: Flight<M> | undefined
  /** Begins when the running one has ended. */
  #next: Flight<M> | undefined

  constructor(work: FlightWork<M>) {
    this.#work = work
  }

  get running(): Flight<M> | undefined {
    return this.#running
  }

  /** The snapshot that serves a request: the running one, or the next if it is being ended or too old (`fresh`). */
  serving(reason: SaveReason, fresh: boolean): Flight<M> {
    const running = this.#running
    if (running === undefined) return this.begin(reason)
    if (!running.work.aborting && !(fresh && running.forked)) return running
    if (this.#next?.work.aborting !== false) this.#next = this.#flight(reason)
    return this.#next
  }

  /** Begins one; only while none is running. */
  begin(reason: SaveReason): Flight<M> {
    return this.#launch(this.#flight(reason))
  }

  #flight(reason: SaveReason): Flight<M> {
    const work = new SharedWork((signal) => this.#work.run(flight, signal))
    const flight: Flight<M> = { reason, work, forked: false }
    return flight
  }

  #launch(flight: Flight<M>): Flight<M> {
    this.#running = flight
    this.#work.begun(flight)
    flight.work.start()
    return flight
  }

  /** The running one has come to its end. */
  ended(): void {
    this.#running = undefined
  }

  /** Begins what waited for its turn. It goes before the listeners, so that their calls find an orderly state. */
  launchNext(): void {
    const next = this.#next
    this.#next = undefined
    if (next === undefined) return
    if (next.work.aborting) next.work.start()
    else this.#launch(next)
  }

  abort(reason: ForksnapError): void {
    this.#running?.work.abort(reason)
    this.#next?.work.abort(reason)
  }

  /** Resolves once none runs, nor one that waited. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running.work.settled
  }
}

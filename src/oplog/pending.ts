import { ForksnapError } from '../errors'

/**
 * What was appended and is not durable yet. Entries gather in groups: a group takes what arrives until the log takes it
 * away to make it durable, and all of its entries share one promise, so that an entry costs no closure and a thousand
 * of them are settled at once. The next group gathers meanwhile: that is group commit.
 *
 * `B` is the batch that a group gathers, whatever the log writes at once: arrays of columns, a buffer of bytes.
 */

/** A bound in entries and in bytes, whichever is reached first. Both are whole numbers from 1. */
export interface Bound {
  readonly entries: number
  readonly bytes: number
}

export interface PendingOptions<B> {
  /** Id of the newest entry that is durable already; 0n if there is none. */
  readonly lastId: bigint
  /** What all groups together hold at most. The entry that reaches the bound in bytes may go beyond it. */
  readonly bound: Bound
  /** What one group holds at most. One entry alone may be larger. */
  readonly group: Bound
  readonly newBatch: () => B
}

/** Entries with contiguous ids that become durable together. */
export class Group<B> {
  readonly batch: B
  readonly firstId: bigint
  lastId: bigint
  entries = 0
  bytes = 0
  /** Resolves when all of the group is durable; rejects, with all later ones, if it cannot be. */
  readonly durable: Promise<void>
  declare resolve: () => void
  declare reject: (error: Error) => void

  constructor(firstId: bigint, batch: B) {
    this.firstId = firstId
    this.lastId = firstId - 1n
    this.batch = batch
    this.durable = new Promise<void>((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // A rejection that nobody listens to must not end the process: the log's `failure` tells as well.
    this.durable.catch(() => undefined)
  }
}

/** Resolved promises run their listeners within so many turns of the microtask queue, even behind a few `async` wrappers. */
const HOPS_PER_WAITER = 6

export class Pending<B> {
  readonly #options: PendingOptions<B>
  /** Oldest first. The last one may still gather; those before it, and those that were taken, do not. */
  readonly #groups: Group<B>[] = []
  /** How many groups, from the oldest on, were taken and wait to be settled. */
  #taken = 0
  #entries = 0
  #bytes = 0
  #lastId: bigint
  #durableId: bigint
  #failure: Error | undefined
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = []
  #waking = false

  constructor(options: PendingOptions<B>) {
    this.#options = options
    this.#lastId = options.lastId
    this.#durableId = options.lastId
  }

  get lastId(): bigint {
    return this.#lastId
  }

  get durableId(): bigint {
    return this.#durableId
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  /** How many entries, and how many bytes of them, are not durable yet. */
  get entries(): number {
    return this.#entries
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Gives an entry of so many bytes the next id, which is the `lastId` of the group returned; the caller adds the entry
   * to the group's batch in the same tick. Throws what the log failed with, or `ERR_LOG_FULL`; no id is given then.
   */
  place(bytes: number): Group<B> {
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#hasRoom()) throw fullError(this.#entries, this.#bytes)
    const group = this.#gathering(bytes)
    group.lastId = ++this.#lastId
    group.entries++
    group.bytes += bytes
    this.#entries++
    this.#bytes += bytes
    return group
  }

  /** Takes the oldest group that was not taken yet, which then gathers no more; undefined if nothing waits. */
  take(): Group<B> | undefined {
    const group = this.#groups[this.#taken]
    if (group !== undefined) this.#taken++
    return group
  }

  /** Everything up to the end of this group, which was taken, is durable. */
  settle(group: Group<B>): void {
    if (this.#failure !== undefined) return
    let settled: Group<B> | undefined
    while (settled !== group && this.#taken > 0) {
      settled = this.#groups.shift()
      if (settled === undefined) break
      this.#taken--
      this.#entries -= settled.entries
      this.#bytes -= settled.bytes
      this.#durableId = settled.lastId
      settled.resolve()
    }
    void this.#wake()
  }

  /** Ends it: whatever waits is rejected with this error, and every later call too. The first error stands. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    for (const group of this.#groups.splice(0)) group.reject(error)
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
    this.#taken = this.#entries = this.#bytes = 0
  }

  /** Resolves once everything up to `position` is durable. A position that was never given is refused. */
  async until(position: bigint): Promise<void> {
    if (position <= this.#durableId) return
    if (this.#failure !== undefined) throw this.#failure
    if (position > this.#lastId) {
      const message = `The log ends at ${this.#lastId}, so it cannot become durable up to ${position}; see meta().position`
      throw new ForksnapError('ERR_INVALID_ARGUMENT', message)
    }
    await this.#groups.find((group) => group.lastId >= position)?.durable
  }

  /**
   * Resolves when there is room for another entry, in the order of the calls. Who appends right after it finds the room;
   * who does something else first may find it taken and waits again.
   */
  ready(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      // Also where there is room: many who ask in the same tick would otherwise all be told of the same room.
      void this.#wake()
    })
  }

  /**
   * The entry's own size does not count: who has waited for room must get in with a large entry too, and would otherwise
   * ask for ever.
   */
  #hasRoom(): boolean {
    return this.#entries < this.#options.bound.entries && this.#bytes < this.#options.bound.bytes
  }

  #gathering(bytes: number): Group<B> {
    const last = this.#groups.length > this.#taken ? this.#groups.at(-1) : undefined
    const bound = this.#options.group
    if (last !== undefined && last.entries < bound.entries && last.bytes + bytes <= bound.bytes) return last
    const group = new Group(this.#lastId + 1n, this.#options.newBatch())
    this.#groups.push(group)
    return group
  }

  /** One after the other, each with the time to append before there is another look at the room. */
  async #wake(): Promise<void> {
    if (this.#waking) return
    this.#waking = true
    while (this.#waiters.length > 0 && this.#hasRoom()) {
      this.#waiters.shift()?.resolve()
      for (let hop = 0; hop < HOPS_PER_WAITER; hop++) await Promise.resolve()
    }
    this.#waking = false
  }
}

function fullError(entries: number, bytes: number): ForksnapError {
  const message = `The log is full: ${entries} entries (${bytes} bytes) are not durable yet; wait for ready() before append()`
  return new ForksnapError('ERR_LOG_FULL', message)
}

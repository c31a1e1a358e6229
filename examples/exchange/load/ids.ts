const CHUNK = 1 << 16

/** The order ids that a server gave: each only once, and each above all that were known when its request was sent. */
export class Ids {
  private readonly seen = new Map<number, Uint8Array>()
  private newestId = 0

  /** The greatest id that the server has given so far; an order sent now must get a greater one. */
  get newest(): number {
    return this.newestId
  }

  /** What is wrong with an id for an order that was sent when `floor` was the newest; undefined if nothing is. */
  take(id: number, floor: number): string | undefined {
    if (!Number.isSafeInteger(id) || id < 1) return `the order's id is ${id}`
    if (id <= floor) return `order ${id} was put after order ${floor} had been answered`
    if (this.mark(id)) return `order id ${id} was given twice`
    this.newestId = Math.max(this.newestId, id)
    return undefined
  }

  /** Whether the id was marked already. */
  private mark(id: number): boolean {
    const number = Math.floor(id / CHUNK)
    let chunk = this.seen.get(number)
    if (chunk === undefined) this.seen.set(number, (chunk = new Uint8Array(CHUNK / 8)))
    const place = (id % CHUNK) >> 3
    const bit = 1 << (id & 7)
    const known = (chunk[place] & bit) !== 0
    chunk[place] |= bit
    return known
  }
}

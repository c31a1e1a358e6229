import type { Order } from './order'

/** A power of two. At a million orders each part holds a thousand. */
const PARTS = 1024

/**
 * Finds an open order by its id. One `Map` of a million entries stops the process for tens of milliseconds whenever it
 * grows or shrinks; a thousand small ones never do.
 */
export class OrderIndex {
  private readonly parts = Array.from({ length: PARTS }, () => new Map<number, Order>())
  private count = 0

  get size(): number {
    return this.count
  }

  get(id: number): Order | undefined {
    return this.part(id).get(id)
  }

  /** Throws a RangeError for an id that is there already. */
  add(order: Order): void {
    const part = this.part(order.id)
    const { size } = part
    part.set(order.id, order)
    // One look instead of two: into a million orders, each is a walk through cold memory.
    if (part.size === size) throw new RangeError(`order ${order.id} is there twice`)
    this.count++
  }

  remove(order: Order): void {
    if (this.part(order.id).delete(order.id)) this.count--
  }

  private part(id: number): Map<number, Order> {
    return this.parts[id % PARTS]
  }
}

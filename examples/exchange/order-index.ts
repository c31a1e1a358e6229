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

  add(order: Order): void {
    this.part(order.id).set(order.id, order)
    this.count++
  }

  remove(order: Order): void {
    if (this.part(order.id).delete(order.id)) this.count--
  }

  private part(id: number): Map<number, Order> {
    return this.parts[id % PARTS]
  }
}

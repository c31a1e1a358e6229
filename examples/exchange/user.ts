import type { Order } from './order'

export const OPEN_ORDERS_MAX = 1000

/** A registered user with what belongs to them alone; balances are kept apart, in `balances.ts`. */
export class User {
  /**
   * Open orders of all markets by rising id, at most `OPEN_ORDERS_MAX`: few enough that taking one out of the middle is
   * a short move of memory, and in an order that does not depend on how the state came to be.
   */
  readonly orders: Order[] = []
  /** Balance updates already made, as `updateKey` writes them; null as long as there are none. */
  private seen: Set<string> | null = null

  constructor(
    /** Counted from 1. */
    readonly id: number,
    readonly l1Address: string,
    readonly l2Pubkey: string,
  ) {}

  addOrder(order: Order): void {
    const last = this.orders.at(-1)
    if (last === undefined || last.id < order.id) this.orders.push(order)
    else this.orders.splice(this.placeOf(order.id), 0, order)
  }

  removeOrder(order: Order): void {
    // Comparing a thousand references side by side is quicker than looking into ten orders all over the heap.
    const place = this.orders.indexOf(order)
    if (place < 0) throw new Error(`order ${order.id} is not among those of user ${this.id}`)
    this.orders.splice(place, 1)
  }

  hasSeen(key: string): boolean {
    return this.seen !== null && this.seen.has(key)
  }

  remember(key: string): void {
    this.seen ??= new Set()
    this.seen.add(key)
  }

  get seenKeys(): Iterable<string> {
    return this.seen ?? []
  }

  /** Index of the first order whose id is not smaller. */
  private placeOf(id: number): number {
    let low = 0
    let high = this.orders.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.orders[middle].id < id) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** What makes a balance update unique for its user. The business may hold any character, so it comes last. */
export interface UpdateKey {
  readonly asset: string
  readonly businessId: string
  readonly business: string
}

export function updateKey({ asset, businessId, business }: UpdateKey): string {
  return `${asset}:${businessId}:${business}`
}

export function parseUpdateKey(key: string): UpdateKey {
  const first = key.indexOf(':')
  const second = key.indexOf(':', first + 1)
  return {
    asset: key.slice(0, first),
    businessId: key.slice(first + 1, second),
    business: key.slice(second + 1),
  }
}

import type { Order } from './order'
import type { OrderRef, OrderStore } from './order-store'

export const OPEN_ORDERS_MAX = 1000

/** A registered user with what belongs to them alone; balances are kept apart, in `balances.ts`. */
export class User {
  private readonly open: OrderRef[] = []
  private openIsSorted = true
  /** Balance updates already made, as `updateKey` writes them; null as long as there are none. */
  private seen: Set<string> | null = null

  constructor(
    /** Counted from 1. */
    readonly id: number,
    readonly l1Address: string,
    readonly l2Pubkey: string,
    private readonly store: OrderStore,
  ) {}

  /**
   * Open orders of all markets by rising id, at most `OPEN_ORDERS_MAX`: an order that does not depend on how the state
   * came to be. Restored orders come by price; they are sorted once, when somebody looks.
   */
  get orders(): readonly Order[] {
    return this.store.list(this.sorted())
  }

  get orderCount(): number {
    return this.open.length
  }

  /** One of `orders`, by its place among them. */
  orderAt(place: number): Order {
    return this.store.get(this.sorted()[place])
  }

  addOrder(order: Order): void {
    const { open, store } = this
    // Once unsorted, it is not looked at: of restored orders, the last one is far away in memory.
    if (this.openIsSorted && open.length > 0) this.openIsSorted = store.id(open[open.length - 1]) < order.id
    open.push(store.ref(order))
  }

  removeOrder(order: Order): void {
    // A thousand references side by side are searched through faster than a search by id looks into ten orders.
    const place = this.open.indexOf(this.store.ref(order))
    if (place < 0) throw new Error(`order ${order.id} is not among those of user ${this.id}`)
    this.open.splice(place, 1)
  }

  private sorted(): readonly OrderRef[] {
    const { open, store } = this
    if (!this.openIsSorted) {
      open.sort((a, b) => store.id(a) - store.id(b))
      this.openIsSorted = true
    }
    return open
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

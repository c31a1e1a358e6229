import type { Order } from './order'
import type { OrderRef, OrderStore } from './order-store'

/** Powers of two: chains in one page, and pages. */
const PAGE_CHAINS = 1024
const PAGES = 1024

type Page = (OrderRef | null)[]

/**
 * Finds an open order by its id: a hash table of a million chains, linked by their store. It never grows,
 * so there is no moment at which it moves a million entries, and adding an order allocates nothing. Ids are counted, so
 * neighbours share a page, pages come into being as ids reach them, and a chain holds more than one order only where two
 * ids are a multiple of a million apart; at ten million open orders it holds ten.
 */
export class OrderIndex {
  private readonly pages: (Page | null)[] = new Array<Page | null>(PAGES).fill(null)
  private count = 0

  constructor(private readonly orders: OrderStore) {}

  get size(): number {
    return this.count
  }

  get(id: number): Order | undefined {
    const { orders } = this
    const page = this.pages[pageOf(id)]
    let ref = page === null ? null : page[id % PAGE_CHAINS]
    while (ref !== null && orders.id(ref) !== id) ref = orders.nextInChain(ref)
    return ref === null ? undefined : orders.get(ref)
  }

  /** Throws a RangeError for an id that is there already. */
  add(order: Order): void {
    const { orders } = this
    const { id } = order
    const page = (this.pages[pageOf(id)] ??= new Array<OrderRef | null>(PAGE_CHAINS).fill(null))
    const first = page[id % PAGE_CHAINS]
    for (let other = first; other !== null; other = orders.nextInChain(other)) {
      if (orders.id(other) === id) throw new RangeError(`order ${id} is there twice`)
    }
    const ref = orders.ref(order)
    orders.setNextInChain(ref, first)
    page[id % PAGE_CHAINS] = ref
    this.count++
  }

  /** An order that is not there is left alone. */
  remove(order: Order): void {
    const { orders } = this
    const { id } = order
    const page = this.pages[pageOf(id)]
    if (page === null) return
    const ref = orders.ref(order)
    const first = page[id % PAGE_CHAINS]
    if (first === ref) page[id % PAGE_CHAINS] = orders.nextInChain(ref)
    else if (!this.unlink(first, ref)) return
    orders.setNextInChain(ref, null)
    this.count--
  }

  /** Takes an order out of the chain behind `first`; false if it is not in it. */
  private unlink(first: OrderRef | null, ref: OrderRef): boolean {
    const { orders } = this
    for (let other = first; other !== null; other = orders.nextInChain(other)) {
      if (orders.nextInChain(other) !== ref) continue
      orders.setNextInChain(other, orders.nextInChain(ref))
      return true
    }
    return false
  }
}

function pageOf(id: number): number {
  return Math.floor(id / PAGE_CHAINS) % PAGES
}

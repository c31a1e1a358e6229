import type { Order } from './order'

/** Powers of two: chains in one page, and pages. */
const PAGE_CHAINS = 1024
const PAGES = 1024

type Page = (Order | null)[]

/**
 * Finds an open order by its id: a hash table of a million chains, linked through a field of the orders. It never grows,
 * so there is no moment at which it moves a million entries, and adding an order allocates nothing. Ids are counted, so
 * neighbours share a page, pages come into being as ids reach them, and a chain holds more than one order only where two
 * ids are a multiple of a million apart; at ten million open orders it holds ten.
 */
export class OrderIndex {
  private readonly pages: (Page | null)[] = new Array<Page | null>(PAGES).fill(null)
  private count = 0

  get size(): number {
    return this.count
  }

  get(id: number): Order | undefined {
    const page = this.pages[pageOf(id)]
    let order = page === null ? null : page[id % PAGE_CHAINS]
    while (order !== null && order.id !== id) order = order.nextInChain
    return order ?? undefined
  }

  /** Throws a RangeError for an id that is there already. */
  add(order: Order): void {
    const { id } = order
    const page = (this.pages[pageOf(id)] ??= new Array<Order | null>(PAGE_CHAINS).fill(null))
    const first = page[id % PAGE_CHAINS]
    for (let other = first; other !== null; other = other.nextInChain) {
      if (other.id === id) throw new RangeError(`order ${id} is there twice`)
    }
    order.nextInChain = first
    page[id % PAGE_CHAINS] = order
    this.count++
  }

  /** An order that is not there is left alone. */
  remove(order: Order): void {
    const { id } = order
    const page = this.pages[pageOf(id)]
    if (page === null) return
    const first = page[id % PAGE_CHAINS]
    if (first === order) page[id % PAGE_CHAINS] = order.nextInChain
    else if (!unlink(first, order)) return
    order.nextInChain = null
    this.count--
  }
}

function pageOf(id: number): number {
  return Math.floor(id / PAGE_CHAINS) % PAGES
}

/** Takes an order out of the chain behind `first`; false if it is not in it. */
function unlink(first: Order | null, order: Order): boolean {
  for (let other = first; other !== null; other = other.nextInChain) {
    if (other.nextInChain !== order) continue
    other.nextInChain = order.nextInChain
    return true
  }
  return false
}

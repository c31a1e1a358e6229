import { insertNode, removeNode } from './level-tree'
import type { TreeNode } from './level-tree'
import type { Order, OrderSide } from './order'
import type { LevelFinder, OrderRef, OrderStore } from './order-store'

/** All orders of one side at one price, a linked list in the order of their arrival. */
export class Level implements TreeNode<Level> {
  /** Sum of what remains of its orders, in amount units. */
  amount = 0
  count = 0
  oldest: OrderRef | null = null
  newest: OrderRef | null = null
  /** Neighbours by price, towards the best price and away from it. */
  better: Level | null = null
  worse: Level | null = null
  height = 1
  left: Level | null = null
  right: Level | null = null

  constructor(
    readonly price: number,
    /** Orders the levels of one side: the smaller, the better the price. */
    readonly rank: number,
  ) {}
}

/**
 * The asks or the bids of a market in price-time priority. The best order is at hand at once; an order joins or leaves
 * an existing level in O(log levels) or O(1), and only a new or an emptied level touches the tree. Time priority is the
 * order of ids, since ids are counted and an order never changes its price.
 */
export class BookSide implements Iterable<Order>, LevelFinder {
  best: Level | null = null
  /** Orders in all levels. */
  count = 0
  /** Sum of what remains of them, in amount units. */
  amount = 0
  private root: Level | null = null
  /** The level that was asked for last: restored orders come level by level. */
  private recent: Level | null = null

  constructor(
    readonly side: OrderSide,
    private readonly orders: OrderStore,
  ) {}

  /** The order that is next to be traded; null if there is none. */
  get first(): Order | null {
    return this.best === null ? null : this.orders.get(this.best.oldest as OrderRef)
  }

  /** Adds an order that rests. Its place in the level follows from its id; the newest is found at once. */
  add(order: Order): void {
    const { orders } = this
    const ref = orders.ref(order)
    const level = this.levelFor(order.price)
    let older = level.newest
    while (older !== null && orders.id(older) > order.id) older = orders.older(older)
    const newer = older === null ? level.oldest : orders.newer(older)
    orders.setLevel(order, level)
    orders.setOlder(ref, older)
    orders.setNewer(ref, newer)
    if (older === null) level.oldest = ref
    else orders.setNewer(older, ref)
    if (newer === null) level.newest = ref
    else orders.setOlder(newer, ref)
    level.count++
    this.count++
    this.addAmount(level, order.remain)
  }

  /** Removes a resting order; an emptied level goes with it. */
  remove(order: Order): void {
    const { orders } = this
    const level = this.levelOf(order)
    const ref = orders.ref(order)
    const older = orders.older(ref)
    const newer = orders.newer(ref)
    if (older === null) level.oldest = newer
    else orders.setNewer(older, newer)
    if (newer === null) level.newest = older
    else orders.setOlder(newer, older)
    orders.setLevel(order, null)
    orders.setOlder(ref, null)
    orders.setNewer(ref, null)
    level.count--
    this.count--
    this.addAmount(level, -order.remain)
    if (level.count === 0) this.removeLevel(level)
  }

  /** Takes a traded amount off a resting order. The store is told by the caller, who has more to change. */
  reduce(order: Order, amount: number): void {
    const level = this.levelOf(order)
    order.remain -= amount
    this.addAmount(level, -amount)
  }

  /** The level of a price, if there are orders at it. */
  levelAt(price: number): Level | null {
    if (this.best?.price === price) return this.best
    const rank = this.rankOf(price)
    let node = this.root
    while (node !== null && node.rank !== rank) node = rank < node.rank ? node.left : node.right
    return node
  }

  /** Levels from the best price on. */
  *levels(): Generator<Level, void, undefined> {
    for (let level = this.best; level !== null; level = level.worse) yield level
  }

  /** Orders by priority. */
  *[Symbol.iterator](): Generator<Order, void, undefined> {
    for (let level = this.best; level !== null; level = level.worse) {
      for (let ref = level.oldest; ref !== null; ref = this.orders.newer(ref)) yield this.orders.get(ref)
    }
  }

  private levelOf(order: Order): Level {
    const level = this.orders.levelOf(order, this)
    if (level === null) throw new Error(`order ${order.id} is not in a book`)
    return level
  }

  private rankOf(price: number): number {
    return this.side === 'ASK' ? price : -price
  }

  private addAmount(level: Level, amount: number): void {
    level.amount += amount
    this.amount += amount
  }

  private levelFor(price: number): Level {
    if (this.recent?.price === price) return this.recent
    return (this.recent = this.findLevel(price))
  }

  private findLevel(price: number): Level {
    const rank = this.rankOf(price)
    let better: Level | null = null
    let worse: Level | null = null
    let node = this.root
    while (node !== null) {
      if (node.rank === rank) return node
      if (rank < node.rank) {
        worse = node
        node = node.left
      } else {
        better = node
        node = node.right
      }
    }
    return this.insertLevel(new Level(price, rank), better, worse)
  }

  private insertLevel(level: Level, better: Level | null, worse: Level | null): Level {
    level.better = better
    level.worse = worse
    if (better === null) this.best = level
    else better.worse = level
    if (worse !== null) worse.better = level
    this.root = insertNode(this.root, level)
    return level
  }

  private removeLevel(level: Level): void {
    if (level === this.recent) this.recent = null
    if (level.better === null) this.best = level.worse
    else level.better.worse = level.worse
    if (level.worse !== null) level.worse.better = level.better
    level.better = null
    level.worse = null
    this.root = removeNode(this.root, level)
  }
}

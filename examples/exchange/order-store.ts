import type { Market } from './market'
import type { Level } from './order-book'
import type { Order, OrderSide, OrderType } from './order'
import type { User } from './user'

/** How books, index and users name a resting order: on the heap the order itself, in an arena the number of its row. */
export type OrderRef = Order | number

/** Finds the level of a price in one side of a book. */
export interface LevelFinder {
  levelAt(price: number): Level | null
}

/**
 * Where the resting orders are, with the links that books and index draw between them. The engine sees objects of class
 * `Order`: on the heap they are what rests, and an arena makes one of a row when it is asked for. So a change counts once
 * `changed` was told of it, and an object is looked up anew in each operation.
 *
 * A process has one kind of store as a rule, and V8 then calls its methods directly: the heap's cost nothing.
 */
export interface OrderStore {
  /** An order that is coming in. It does not rest yet. Times are in milliseconds since 1970. */
  make(
    id: number,
    market: Market,
    user: User,
    side: OrderSide,
    type: OrderType,
    price: number,
    amount: number,
    postOnly: boolean,
    signature: string,
    createTime: number,
  ): Order

  /** Takes an order that comes to rest, before anybody links it. */
  insert(order: Order): void
  /** Forgets an order that nobody links any more. The object stays what it was. */
  remove(order: Order): void
  /** Keeps what was changed of a resting order: what remains, what is finished, and the time of the change. */
  changed(order: Order): void
  ref(order: Order): OrderRef
  get(ref: OrderRef): Order
  list(refs: readonly OrderRef[]): readonly Order[]

  id(ref: OrderRef): number
  /** Neighbours in the level. */
  older(ref: OrderRef): OrderRef | null
  newer(ref: OrderRef): OrderRef | null
  setOlder(ref: OrderRef, older: OrderRef | null): void
  setNewer(ref: OrderRef, newer: OrderRef | null): void
  /** The next order in its chain of the index. */
  nextInChain(ref: OrderRef): OrderRef | null
  setNextInChain(ref: OrderRef, next: OrderRef | null): void

  /** The level that an order rests in; null before and after. */
  levelOf(order: Order, side: LevelFinder): Level | null
  setLevel(order: Order, level: Level | null): void

  /** Frees the memory, if that is not the garbage collector's. The store is of no use afterwards. */
  dispose(): void
}

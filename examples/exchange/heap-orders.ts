import type { Market } from './market'
import { Order } from './order'
import type { OrderSide, OrderType } from './order'
import type { Level } from './order-book'
import type { OrderStore } from './order-store'
import type { User } from './user'

/** An order on the heap: one object, since there are millions, linked through fields of its own. */
export class HeapOrder extends Order {
  level: Level | null = null
  older: HeapOrder | null = null
  newer: HeapOrder | null = null
  nextInChain: HeapOrder | null = null
}

/** Orders are objects, which the garbage collector frees when nobody links them any more. */
export class HeapOrders implements OrderStore {
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
  ): HeapOrder {
    return new HeapOrder(id, market, user, side, type, price, amount, postOnly, signature, createTime)
  }

  insert(): void {
    // Its links are its own.
  }

  remove(): void {
    // Nobody links it any more.
  }

  changed(): void {
    // The object is the order.
  }

  ref(order: HeapOrder): HeapOrder {
    return order
  }

  get(order: HeapOrder): HeapOrder {
    return order
  }

  list(orders: readonly HeapOrder[]): readonly HeapOrder[] {
    return orders
  }

  id(order: HeapOrder): number {
    return order.id
  }

  older(order: HeapOrder): HeapOrder | null {
    return order.older
  }

  newer(order: HeapOrder): HeapOrder | null {
    return order.newer
  }

  setOlder(order: HeapOrder, older: HeapOrder | null): void {
    order.older = older
  }

  setNewer(order: HeapOrder, newer: HeapOrder | null): void {
    order.newer = newer
  }

  nextInChain(order: HeapOrder): HeapOrder | null {
    return order.nextInChain
  }

  setNextInChain(order: HeapOrder, next: HeapOrder | null): void {
    order.nextInChain = next
  }

  levelOf(order: HeapOrder): Level | null {
    return order.level
  }

  setLevel(order: HeapOrder, level: Level | null): void {
    order.level = level
  }

  dispose(): void {
    // The garbage collector's.
  }
}

/**
 * V8 fixes how a field is stored by what it has held so far, and rewrites every living object when a later value does
 * not fit, such as the first price beyond 31 bits. Two orders made here, before any other, settle it: number fields
 * hold tagged values, in which small numbers need no box and two equal times can share one.
 */
function settleShape(): void {
  for (const value of [null, 1] as number[]) {
    const order = new HeapOrder(value, {} as Market, {} as User, 'ASK', 'LIMIT', value, value, false, '', value)
    order.finishedQuote = value
    order.remain = value
    order.updateTime = value
  }
}
settleShape()

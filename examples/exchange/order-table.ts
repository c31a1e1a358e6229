import type { BlobHandler, RestoreHandlers } from 'forksnap'
import type { Column } from '../../src/slice/types'
import { ArenaOrders, ORDER_TABLE } from './arena-orders'
import type { Engine } from './engine'
import type { Order } from './order'
import { count, utf8 } from './restore'
import { checkStoredTime } from './timestamp'

/** `signature_slice`: the texts of signed orders, which the columns of an arena's table cannot hold. */
export const SIGNATURE_TABLE = [
  ['order_id', 'int8', { as: 'number' }],
  ['signature', 'bytea'],
] as const satisfies readonly Column[]

/**
 * Restores the orders of a slice that an engine with an arena has written. Such an engine takes the table as it is, straight into
 * its arena; one on the heap reads it into a passing arena and makes an object of each row. Either way the links are drawn
 * anew, order by order, and not believed.
 */
export class OrderTableRestorer {
  readonly restore: RestoreHandlers
  readonly blobs: { readonly [name: string]: BlobHandler }
  /** By order id. */
  private readonly signatures = new Map<number, string>()
  private table: ArenaOrders | undefined

  /** The engine was just made. */
  constructor(private readonly engine: Engine) {
    this.restore = {
      signature_slice: (row) => void this.signatures.set(count(row[0]), utf8(row[1])),
    }
    this.blobs = {
      [ORDER_TABLE]: {
        pieces: (bytes) => {
          const { orders } = engine
          this.table = orders instanceof ArenaOrders ? orders : new ArenaOrders(engine)
          return this.table.pieces(bytes)
        },
      },
    }
  }

  /**
   * To be called once everything of the slice is delivered; does nothing if it has no such table. Throws a RangeError for
   * what cannot be part of a state.
   */
  finish(): void {
    const { engine, table, signatures } = this
    if (table === undefined) return
    for (const row of table.unlinked()) {
      const id = table.id(row)
      table.restoreSignature(row, signatures.get(id))
      const order = table.get(row)
      checkOrder(order)
      if (table === engine.orders) engine.enlist(order)
      else engine.rest(copyOf(engine, order))
    }
    if (table !== engine.orders) table.dispose()
  }
}

function copyOf({ orders }: Engine, order: Order): Order {
  const { id, market, user, side, type, price, amount, postOnly, signature, createTime } = order
  const copy = orders.make(id, market, user, side, type, price, amount, postOnly, signature, createTime)
  if (order.updateTime !== createTime) copy.updateTime = order.updateTime
  copy.remain = order.remain
  copy.finishedQuote = order.finishedQuote
  return copy
}

function checkOrder(order: Order): void {
  const { id, price, amount, remain, finishedQuote } = order
  // Of numbers that are out of their range there may be no market and no user.
  const { market, user } = order as Partial<Order>
  checkStoredTime(order.createTime)
  checkStoredTime(order.updateTime)
  const whole = [id, price, amount, remain, finishedQuote].every(Number.isSafeInteger)
  const inRange = id >= 1 && price > 0 && remain > 0 && remain <= amount && finishedQuote >= 0
  if (whole && inRange && market !== undefined && user !== undefined) return
  throw new RangeError(`order_table: order ${id} contradicts itself`)
}

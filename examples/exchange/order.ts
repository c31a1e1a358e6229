import { formatDecimal } from './decimal'
import type { Market } from './market'
import type { User } from './user'

export type OrderSide = 'ASK' | 'BID'
export type OrderType = 'LIMIT' | 'MARKET'

/**
 * An order. All numbers are whole units (see `decimal.ts`); what follows from others is computed, not stored. Where it is
 * while it rests is its store's affair, see `order-store.ts`, which also makes it.
 */
export class Order {
  /** Time of the last trade, or of the cancellation, in milliseconds since 1970. */
  updateTime: number
  /** Amount that is not traded yet. */
  remain: number
  /** Quote units paid or earned so far. */
  finishedQuote = 0

  constructor(
    readonly id: number,
    readonly market: Market,
    readonly user: User,
    readonly side: OrderSide,
    readonly type: OrderType,
    /** 0 for a market order. */
    readonly price: number,
    readonly amount: number,
    readonly postOnly: boolean,
    /** Text that the client sent along; the engine does not look at it. */
    readonly signature: string,
    /** In milliseconds since 1970. */
    readonly createTime: number,
  ) {
    this.updateTime = createTime
    this.remain = amount
  }

  /** Units of its asset that are frozen while it rests: base for an ask, quote for a bid. */
  get frozen(): number {
    const { baseUnitsPerAmount, quoteUnitsPerValue } = this.market.figures
    return this.side === 'ASK' ? this.remain * baseUnitsPerAmount : this.remain * this.price * quoteUnitsPerValue
  }

  get finishedBase(): number {
    return this.amount - this.remain
  }
}

/** An order as the wire carries it: the names are those of the protocol, decimals are text, times are seconds. */
export interface OrderInfo {
  readonly id: number
  readonly market: string
  readonly order_side: OrderSide
  readonly order_type: OrderType
  readonly user_id: number
  readonly create_time: number
  readonly update_time: number
  readonly price: string
  readonly amount: string
  readonly taker_fee: string
  readonly maker_fee: string
  readonly remain: string
  readonly finished_base: string
  readonly finished_quote: string
  readonly finished_fee: string
  readonly post_only: boolean
}

export function orderInfo(order: Order): OrderInfo {
  const { amountPrecision, pricePrecision } = order.market.config
  return {
    id: order.id,
    market: order.market.config.name,
    order_side: order.side,
    order_type: order.type,
    user_id: order.user.id,
    create_time: order.createTime / 1000,
    update_time: order.updateTime / 1000,
    price: formatDecimal(order.price, pricePrecision),
    amount: formatDecimal(order.amount, amountPrecision),
    taker_fee: '0',
    maker_fee: '0',
    remain: formatDecimal(order.remain, amountPrecision),
    finished_base: formatDecimal(order.finishedBase, amountPrecision),
    finished_quote: formatDecimal(order.finishedQuote, order.market.figures.quote.precision),
    finished_fee: '0',
    post_only: order.postOnly,
  }
}

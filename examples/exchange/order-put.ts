import { UNITS_MAX, formatDecimal, isZeroDecimal, parseDecimal, parseOptionalDecimal } from './decimal'
import type { Engine } from './engine'
import { ExchangeError, invalid, notEnoughBalance } from './errors'
import { checkFlag, checkSide, checkText, checkType } from './input'
import type { Market } from './market'
import { match } from './matcher'
import type { Trade } from './matcher'
import { orderInfo } from './order'
import type { Order, OrderType } from './order'
import type { OperationParams, OrderPutResult, TradeInfo } from './operations'
import { OPEN_ORDERS_MAX } from './user'

const SIGNATURE_LENGTH_MAX = 256

type Params = OperationParams['order_put']

export interface PlacedOrder {
  readonly order: Order
  readonly trades: readonly Trade[]
}

/** Checks an order, gives it the next id, trades it and lets the rest of a limit order rest. */
export function putOrder(engine: Engine, params: Params, time: number): PlacedOrder {
  const order = acceptOrder(engine, params, time)
  const quoteLimit = checkFunds(engine, order, params)
  engine.orderId = order.id
  const { trades, cancelled } = match(engine, order, quoteLimit)
  if (order.type === 'LIMIT' && !cancelled && order.remain > 0) {
    const { base, quote } = order.market.figures
    engine.balances.freeze(order.user.id, order.side === 'ASK' ? base.index : quote.index, order.frozen)
    engine.rest(order)
  }
  return { order, trades }
}

/** The answer to who put the order. */
export function orderPutResult({ order, trades }: PlacedOrder): OrderPutResult {
  return { order: orderInfo(order), trades: trades.map(tradeInfo) }
}

/** The order with the id that it will have. Nothing has changed yet. */
function acceptOrder(engine: Engine, params: Params, time: number): Order {
  const user = engine.user(params.user_id)
  const market = engine.market(params.market)
  const side = checkSide(params.order_side)
  const type = checkType(params.order_type)
  const postOnly = checkFlag(params.post_only, 'post_only')
  if (type === 'MARKET') checkMarketOrder(engine, postOnly)
  checkFees(params, market)
  const amount = parseDecimal(params.amount, market.config.amountPrecision, 'amount')
  if (amount <= 0 || amount < market.figures.minAmountUnits) throw invalid('invalid amount')
  const price = checkPrice(params, market, type)
  if (amount * price * market.figures.quoteUnitsPerValue > UNITS_MAX) throw invalid('order value out of range')
  if (type === 'LIMIT' && user.orderCount >= OPEN_ORDERS_MAX) {
    throw new ExchangeError('RESOURCE_EXHAUSTED', `too many open orders: a user can have ${OPEN_ORDERS_MAX}`)
  }
  const signature = checkText(params.signature, SIGNATURE_LENGTH_MAX, 'signature')
  return engine.orders.make(engine.orderId + 1, market, user, side, type, price, amount, postOnly, signature, time)
}

function checkMarketOrder(engine: Engine, postOnly: boolean): void {
  if (!engine.marketOrders) throw new ExchangeError('FAILED_PRECONDITION', 'market orders are disabled')
  if (postOnly) throw invalid('a market order cannot be post_only')
}

function checkFees(params: Params, market: Market): void {
  if (market.config.feePrecision !== 0) throw new Error('fees are not built: configure a fee precision of 0')
  if (!isZeroDecimal(params.taker_fee, 'taker_fee') || !isZeroDecimal(params.maker_fee, 'maker_fee')) {
    throw invalid('only 0 fee is supported now')
  }
}

function checkPrice(params: Params, market: Market, type: OrderType): number {
  const price = parseOptionalDecimal(params.price, market.config.pricePrecision, 'price')
  if (type === 'LIMIT' && price <= 0) throw invalid('invalid price')
  if (type === 'MARKET' && price !== 0) throw invalid('a market order has no price')
  return price
}

/** Throws if the balance does not cover the order; returns how much quote a bid may spend. */
function checkFunds(engine: Engine, order: Order, params: Params): number {
  const { base, quote, baseUnitsPerAmount } = order.market.figures
  if (order.side === 'ASK') {
    // Amounts beyond the exact range are beyond every balance too: rounding keeps the order of the two.
    if (order.amount * baseUnitsPerAmount > engine.balances.available(order.user.id, base.index))
      throw notEnoughBalance()
    return 0
  }
  const available = engine.balances.available(order.user.id, quote.index)
  if (order.type === 'LIMIT') {
    if (order.frozen > available) throw notEnoughBalance()
    return available
  }
  const limit = parseOptionalDecimal(params.quote_limit, quote.precision, 'quote_limit')
  if (limit < 0) throw invalid('invalid quote_limit')
  if (available === 0) throw notEnoughBalance()
  return limit === 0 ? available : Math.min(limit, available)
}

function tradeInfo(trade: Trade): TradeInfo {
  const { market, taker, maker } = trade
  const ask = taker.side === 'ASK' ? taker : maker
  const bid = taker.side === 'ASK' ? maker : taker
  return {
    id: trade.id,
    market: market.config.name,
    time: trade.time / 1000,
    price: formatDecimal(maker.price, market.config.pricePrecision),
    amount: formatDecimal(trade.amount, market.config.amountPrecision),
    quote: formatDecimal(trade.quote, market.figures.quote.precision),
    taker_side: taker.side,
    ask_order_id: ask.id,
    ask_user_id: ask.user.id,
    bid_order_id: bid.id,
    bid_user_id: bid.user.id,
  }
}

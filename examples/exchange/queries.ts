import { formatDecimal, parseOptionalDecimal } from './decimal'
import type { Engine } from './engine'
import { invalid } from './errors'
import { checkCount } from './input'
import type { Market } from './market'
import type { BookSide } from './order-book'
import { orderInfo } from './order'
import type { OrderInfo } from './order'
import { OPEN_ORDERS_MAX } from './user'

/** Questions that change nothing. They throw an `ExchangeError` for an unknown user, asset, market or order. */

/** Levels that one depth query may ask for. */
const DEPTH_LIMIT_MAX = 10_000

/** Orders that a query gets which says no limit: on the wire that is 0, and clients of dingir-exchange count on these. */
const ORDERS_LIMIT_DEFAULT = 10

const INT32_MAX = 2 ** 31 - 1

export interface BalanceInfo {
  readonly asset_id: string
  readonly available: string
  readonly frozen: string
}

/** Balances of the assets asked for; of all assets if none is named. */
export function queryBalances(engine: Engine, userId: number, assets: readonly string[] = []): BalanceInfo[] {
  const user = engine.user(userId)
  const wanted = assets.length === 0 ? [...engine.assets.values()] : assets.map((symbol) => engine.asset(symbol))
  return wanted.map(({ symbol, index, precision }) => ({
    asset_id: symbol,
    available: formatDecimal(engine.balances.available(user.id, index), precision),
    frozen: formatDecimal(engine.balances.frozen(user.id, index), precision),
  }))
}

export function queryOrder(engine: Engine, market: string, orderId: number | string): OrderInfo {
  return orderInfo(engine.order(engine.market(market), orderId))
}

export interface OrdersQuery {
  readonly userId: number
  readonly market: string
  /** Orders to leave out, from the newest on. */
  readonly offset: number
  /** At most so many, 0 for 10; more than a user can have open (1,000) is the same as all. */
  readonly limit: number
}

export interface OrdersInfo {
  readonly offset: number
  /** The one that was kept to. */
  readonly limit: number
  /** Open orders of the user in this market, however many are shown. */
  readonly total: number
  readonly orders: readonly OrderInfo[]
}

/** Open orders of a user in one market, newest first. */
export function queryOrders(engine: Engine, query: OrdersQuery): OrdersInfo {
  const user = engine.user(query.userId)
  const market = engine.market(query.market)
  const offset = checkCount(query.offset, INT32_MAX, 'offset')
  const asked = checkCount(query.limit, INT32_MAX, 'limit')
  const limit = asked === 0 ? ORDERS_LIMIT_DEFAULT : Math.min(asked, OPEN_ORDERS_MAX)
  const orders = user.orders.filter((order) => order.market === market).reverse()
  return { offset, limit, total: orders.length, orders: orders.slice(offset, offset + limit).map(orderInfo) }
}

export interface DepthLevel {
  readonly price: string
  readonly amount: string
}

export interface Depth {
  readonly asks: readonly DepthLevel[]
  readonly bids: readonly DepthLevel[]
}

/**
 * The best levels of both sides. An interval above zero merges levels: the price of asks is rounded up to a multiple
 * of it, that of bids down.
 */
export function queryDepth(engine: Engine, marketName: string, limit: number, interval?: string): Depth {
  const market = engine.market(marketName)
  const count = Math.min(checkCount(limit, INT32_MAX, 'limit'), DEPTH_LIMIT_MAX)
  const step = parseOptionalDecimal(interval, market.config.pricePrecision, 'interval')
  if (step < 0) throw invalid('invalid interval')
  return {
    asks: mergeLevels(market, market.asks, count, step),
    bids: mergeLevels(market, market.bids, count, step),
  }
}

function mergeLevels(market: Market, side: BookSide, count: number, step: number): DepthLevel[] {
  const merged: { price: number; amount: number }[] = []
  for (const { price: exact, amount } of side.levels()) {
    const price = step === 0 ? exact : roundPrice(exact, step, side.side === 'ASK')
    const last = merged.at(-1)
    if (last !== undefined && last.price === price) last.amount += amount
    else if (merged.length === count) break
    else merged.push({ price, amount })
  }
  const { pricePrecision, amountPrecision } = market.config
  return merged.map(({ price, amount }) => ({
    price: formatDecimal(price, pricePrecision),
    amount: formatDecimal(amount, amountPrecision),
  }))
}

function roundPrice(price: number, step: number, up: boolean): number {
  const over = price % step
  return up && over > 0 ? price - over + step : price - over
}

export interface MarketSummary {
  readonly name: string
  readonly ask_count: number
  readonly ask_amount: string
  readonly bid_count: number
  readonly bid_amount: string
  readonly trade_count: number
}

/** Summaries of the markets asked for; of all if none is named. */
export function queryMarkets(engine: Engine, names: readonly string[] = []): MarketSummary[] {
  const markets = names.length === 0 ? [...engine.markets.values()] : names.map((name) => engine.market(name))
  return markets.map(({ config, asks, bids, tradeCount }) => ({
    name: config.name,
    ask_count: asks.count,
    ask_amount: formatDecimal(asks.amount, config.amountPrecision),
    bid_count: bids.count,
    bid_amount: formatDecimal(bids.amount, config.amountPrecision),
    trade_count: tradeCount,
  }))
}

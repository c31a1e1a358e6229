import type { ReadValue, RowFields } from '../../src/slice/types'
import { parseDecimal } from './decimal'
import { AVAILABLE, FROZEN, restingOrders } from './digest'
import type { Engine } from './engine'
import { checkSide } from './input'
import type { Market } from './market'
import { checkStoredTime } from './timestamp'
import { User, updateKey } from './user'

type Row = readonly ReadValue[]

/** Places of the columns of `order_slice`. */
const COLUMN = {
  id: 0,
  order_type: 1,
  order_side: 2,
  create_time: 3,
  update_time: 4,
  user_id: 5,
  market: 6,
  price: 7,
  amount: 8,
  taker_fee: 9,
  maker_fee: 10,
  remain: 11,
  frozen: 12,
  finished_base: 13,
  finished_quote: 14,
  finished_fee: 15,
  post_only: 16,
  signature: 17,
} as const

/** See `restoreState`. */
export function restoreHandlers(engine: Engine) {
  return {
    counter_slice: (row: Row) => restoreCounter(engine, row),
    user_slice: (row: Row) => restoreUser(engine, row),
    market_slice: (row: Row) => restoreMarket(engine, row),
    business_slice: (row: Row) => restoreBusiness(engine, row),
    balance_slice: (row: Row) => restoreBalance(engine, row),
    order_slice: { fields: orderRestorer(engine) },
  }
}

function restoreCounter(engine: Engine, row: Row): void {
  const name = text(row[0])
  if (name === 'order_id') engine.orderId = count(row[1])
  else if (name === 'trade_id') engine.tradeId = count(row[1])
  else throw new RangeError(`counter_slice: there is no counter ${name}`)
}

function restoreUser(engine: Engine, row: Row): void {
  const user = new User(count(row[0]), text(row[1]), text(row[2]), engine.orders)
  if (user.id < 1 || engine.users[user.id - 1] !== undefined) throw new RangeError(`user_slice: user ${user.id} twice`)
  engine.users[user.id - 1] = user
}

function restoreMarket(engine: Engine, row: Row): void {
  engine.market(row[0]).tradeCount = count(row[1])
}

function restoreBusiness(engine: Engine, row: Row): void {
  const key = updateKey({ asset: engine.asset(row[1]).symbol, business: text(row[2]), businessId: text(row[3]) })
  engine.user(row[0]).remember(key)
}

function restoreBalance(engine: Engine, row: Row): void {
  const user = engine.user(row[1])
  const { index, precision } = engine.asset(row[2])
  const kind = row[3]
  if (kind !== AVAILABLE && kind !== FROZEN)
    throw new RangeError(`balance_slice: column t is neither ${AVAILABLE} nor ${FROZEN}`)
  const units = parseDecimal(row[4], precision, 'balance')
  engine.balances.restore(user.id, index, kind === AVAILABLE ? 'available' : 'frozen', units)
}

/** Millions of rows: hence from their fields, without a text or an array for any of them. */
function orderRestorer(engine: Engine): (row: RowFields) => void {
  let name = ''
  let market: Market | undefined
  return (row) => {
    const marketName = row.text(COLUMN.market)
    if (market === undefined || marketName !== name) {
      market = engine.market(marketName)
      name = marketName
    }
    restoreOrder(engine, market, row)
  }
}

function restoreOrder(engine: Engine, market: Market, row: RowFields): void {
  const { amountPrecision, pricePrecision } = market.config
  const { base, quote } = market.figures
  const id = row.integer(COLUMN.id)
  const side = checkSide(row.text(COLUMN.order_side))
  const price = row.units(COLUMN.price, pricePrecision)
  const amount = row.units(COLUMN.amount, amountPrecision)
  const createTime = checkStoredTime(row.ms(COLUMN.create_time))
  const updateTime = checkStoredTime(row.ms(COLUMN.update_time))
  const user = engine.user(row.integer(COLUMN.user_id))
  const postOnly = row.bool(COLUMN.post_only)
  const signature = utf8(row.value(COLUMN.signature))
  const order = engine.orders.make(id, market, user, side, 'LIMIT', price, amount, postOnly, signature, createTime)
  // Two equal times share one number in the heap.
  if (updateTime !== createTime) order.updateTime = updateTime
  order.remain = row.units(COLUMN.remain, amountPrecision)
  order.finishedQuote = row.units(COLUMN.finished_quote, quote.precision)
  const frozen = row.units(COLUMN.frozen, (side === 'ASK' ? base : quote).precision)
  const finishedBase = row.units(COLUMN.finished_base, amountPrecision)
  const consistent =
    row.text(COLUMN.order_type) === 'LIMIT' && frozen === order.frozen && finishedBase === order.finishedBase
  if (!consistent || id < 1 || price <= 0 || order.remain <= 0 || !isWithoutFees(row)) {
    throw new RangeError(`order_slice: order ${id} contradicts itself`)
  }
  engine.rest(order)
}

/** Fees are not built: a row that has one is of another exchange. */
function isWithoutFees(row: RowFields): boolean {
  const isFree = row.units(COLUMN.taker_fee, 4) === 0 && row.units(COLUMN.maker_fee, 4) === 0
  return isFree && row.units(COLUMN.finished_fee, 8) === 0
}

function text(value: ReadValue | undefined): string {
  if (typeof value !== 'string') throw new RangeError('a slice has no text where the exchange wrote one')
  return value
}

export function count(value: ReadValue | undefined): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new RangeError('a slice has no number from 0 on')
  return value as number
}

export function utf8(value: ReadValue | undefined): string {
  if (!(value instanceof Uint8Array)) throw new RangeError('a slice has no bytes where the exchange wrote some')
  return value.length === 0 ? '' : Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8')
}

/**
 * Checks what must hold of every state: users are numbered without a gap, the books are not crossed, ids are within the
 * counters, and exactly what the resting orders need is frozen. Throws a RangeError naming the first that does not.
 */
export function checkState(engine: Engine): void {
  for (let id = 1; id <= engine.users.length; id++) {
    if (engine.users[id - 1]?.id !== id) throw new RangeError(`user ${id} is missing`)
  }
  let trades = 0
  for (const { config, asks, bids, tradeCount } of engine.markets.values()) {
    trades += tradeCount
    if (asks.best !== null && bids.best !== null && asks.best.price <= bids.best.price) {
      throw new RangeError(`the book of ${config.name} is crossed`)
    }
  }
  if (trades !== engine.tradeId)
    throw new RangeError(`${engine.tradeId} trades were counted, the markets had ${trades}`)
  checkFrozen(engine)
}

function checkFrozen(engine: Engine): void {
  const assetCount = engine.assets.size
  const needed = new Float64Array(engine.users.length * assetCount)
  for (const order of restingOrders(engine)) {
    if (order.id > engine.orderId) throw new RangeError(`order ${order.id} is newer than the counter of order ids`)
    const { base, quote } = order.market.figures
    const place = (order.user.id - 1) * assetCount + (order.side === 'ASK' ? base : quote).index
    needed[place] = needed[place] + order.frozen
  }
  for (const user of engine.users) {
    for (const { symbol, index } of engine.assets.values()) {
      if (engine.balances.frozen(user.id, index) !== needed[(user.id - 1) * assetCount + index]) {
        throw new RangeError(`user ${user.id}: what is frozen of ${symbol} is not what the open orders need`)
      }
    }
  }
}

import type { RestoreHandlers } from '../../src/recover'
import type { Column, RowValues, SliceWriter } from '../../src/slice/types'
import { ArenaOrders } from './arena-orders'
import { formatDecimal } from './decimal'
import { StateDigest, balanceEntries, restingOrders, seenEntries } from './digest'
import type { Engine } from './engine'
import type { Order } from './order'
import { SIGNATURE_TABLE } from './order-table'
import { restoreHandlers } from './restore'
import { parseUpdateKey } from './user'

/**
 * An amount or a price, with as many whole digits as a balance below and at most 8 after the point. That fits into a
 * numeric of the database without declared digits, into a numeric(30,8) and into a numeric(30,16). If this one declared
 * none, the store would refuse those that do, since it could not know that nothing will be rounded there.
 */
const QUANTITY = 'numeric(22,8)'
/** The same for a part of a whole: fits into a numeric(30,4) too. */
const FEE_RATE = 'numeric(8,4)'

/**
 * The tables of a slice. `order_slice` and `balance_slice` have the columns of the database's tables of these names (the
 * store adds `slice_id`); the others hold what has no place there. Orders of an arena are a blob instead, see `order-table.ts`.
 */
export const TABLES = {
  counter_slice: [
    ['name', 'varchar(30)'],
    ['value', 'int8', { as: 'number' }],
  ],
  user_slice: [
    ['id', 'int4'],
    ['l1_address', 'text'],
    ['l2_pubkey', 'text'],
  ],
  market_slice: [
    ['market', 'varchar(30)'],
    ['trade_count', 'int8', { as: 'number' }],
  ],
  order_slice: [
    ['id', 'int8', { as: 'number' }],
    ['order_type', 'varchar(30)'],
    ['order_side', 'varchar(30)'],
    ['create_time', 'timestamp'],
    ['update_time', 'timestamp'],
    ['user_id', 'int4'],
    ['market', 'varchar(30)'],
    ['price', QUANTITY],
    ['amount', QUANTITY],
    ['taker_fee', FEE_RATE],
    ['maker_fee', FEE_RATE],
    ['remain', QUANTITY],
    ['frozen', QUANTITY],
    ['finished_base', QUANTITY],
    ['finished_quote', QUANTITY],
    ['finished_fee', QUANTITY],
    ['post_only', 'bool'],
    ['signature', 'bytea'],
  ],
  balance_slice: [
    ['id', 'int8', { as: 'number' }],
    ['user_id', 'int4'],
    ['asset', 'varchar(30)'],
    ['t', 'int2'],
    ['balance', 'numeric(30,16)'],
  ],
  business_slice: [
    ['user_id', 'int4'],
    ['asset', 'varchar(30)'],
    ['business', 'text'],
    ['business_id', 'numeric(20,0)'],
  ],
} as const satisfies Record<string, readonly Column[]>

export type TableName = keyof typeof TABLES

const NO_BYTES = new Uint8Array(0)

/**
 * Writes the whole state, and its digest, computed from the same pass, into the trailer. The tables come in the order in
 * which restoring needs them: users before what belongs to them. Orders come early, since a warm-up that has a limit of
 * rows should reach them, and by priority, so that each finds its place at once.
 */
export function writeState(engine: Engine, slice: SliceWriter): void {
  const digest = new StateDigest()
  const counters = slice.table('counter_slice', TABLES.counter_slice)
  counters.row('order_id', engine.orderId)
  counters.row('trade_id', engine.tradeId)
  slice.table('user_slice', TABLES.user_slice).rows(engine.users, (user) => {
    digest.user(user)
    return [user.id, user.l1Address, user.l2Pubkey]
  })
  slice.table('market_slice', TABLES.market_slice).rows(engine.markets.values(), (market) => {
    digest.market(market)
    return [market.config.name, market.tradeCount]
  })
  writeOrders(engine, slice, digest)
  let id = 0
  slice.table('balance_slice', TABLES.balance_slice).rows(balanceEntries(engine), ({ userId, asset, kind, units }) => {
    digest.balance(userId, asset.index, kind, units)
    return [++id, userId, asset.symbol, kind, formatDecimal(units, asset.precision)]
  })
  slice.table('business_slice', TABLES.business_slice).rows(seenEntries(engine), ({ userId, key }) => {
    digest.seenKey(userId, key)
    const { asset, business, businessId } = parseUpdateKey(key)
    return [userId, asset, business, businessId]
  })
  slice.set('digest', digest.result(engine))
}

function writeOrders(engine: Engine, slice: SliceWriter, digest: StateDigest): void {
  const { orders } = engine
  if (!(orders instanceof ArenaOrders)) {
    slice.table('order_slice', TABLES.order_slice).rows(restingOrders(engine), (order) => {
      digest.order(order)
      return orderRow(order)
    })
    return
  }
  // Before the table is given back page by page; never in the warm-up, which has the parent wait and knows no limit here.
  slice.set('resting_orders', () => {
    for (const order of restingOrders(engine)) digest.order(order)
    return engine.openOrders.size
  })
  slice
    .table('signature_slice', SIGNATURE_TABLE)
    .rows(orders.signed(), ({ id, signature }) => [id, Buffer.from(signature, 'utf8')])
  orders.write(slice)
}

function orderRow(order: Order): RowValues<typeof TABLES.order_slice> {
  const { config, figures } = order.market
  const { amountPrecision, pricePrecision } = config
  const createTime = new Date(order.createTime)
  const frozenAsset = order.side === 'ASK' ? figures.base : figures.quote
  return [
    order.id,
    order.type,
    order.side,
    createTime,
    order.updateTime === order.createTime ? createTime : new Date(order.updateTime),
    order.user.id,
    config.name,
    formatDecimal(order.price, pricePrecision),
    formatDecimal(order.amount, amountPrecision),
    '0',
    '0',
    formatDecimal(order.remain, amountPrecision),
    formatDecimal(order.frozen, frozenAsset.precision),
    formatDecimal(order.finishedBase, amountPrecision),
    formatDecimal(order.finishedQuote, figures.quote.precision),
    '0',
    order.postOnly,
    order.signature === '' ? NO_BYTES : Buffer.from(order.signature, 'utf8'),
  ]
}

/**
 * Handlers, by table, that rebuild a state in an engine that was just made with the same assets and markets. Rows of a
 * table may come in any order; users come before what belongs to them. `checkState` afterwards finds what is missing.
 * They throw a RangeError for a row that cannot be part of a state.
 */
export function restoreState(engine: Engine): { readonly [K in TableName]: RestoreHandlers[string] } {
  return restoreHandlers(engine)
}

import { SliceParser } from '../../../src/slice/reader'
import { ArenaOrders, ORDER_TABLE } from '../arena-orders'
import { digest } from '../digest'
import { Engine, STATE_KINDS, type StateKind } from '../engine'
import { OrderTableRestorer } from '../order-table'
import { checkState, restoreHandlers } from '../restore'
import { writeState } from '../state'
import { sliceOf, TestExchange } from './helpers'

function arenaOf({ orders }: Engine): ArenaOrders {
  if (!(orders instanceof ArenaOrders)) throw new Error('the engine has no arena')
  return orders
}

/** Three orders at one price, of which the second has a text; rows 1 to 3, since row 0 was freed. */
function exchange(): TestExchange {
  const made = new TestExchange({ state: 'arena' })
  const user = made.user({ ETH: '100', USDT: '1000' })
  const first = made.put(user, 'ASK', '1', '10')
  made.put(user, 'ASK', '2', '10')
  made.put(user, 'ASK', '3', '10', { signature: 'sig\u{1f600}\n' })
  made.put(user, 'ASK', '4', '10', { post_only: true })
  made.apply('order_cancel', { user_id: user, market: 'ETH_USDT', order_id: first.order.id })
  return made
}

/** Orders of all kinds, some partly filled, before or after they rested; the row of a signed one was freed and taken again. */
function lively(state: StateKind): TestExchange {
  const made = new TestExchange({ state })
  const seller = made.user({ ETH: '100' })
  const buyer = made.user({ USDT: '1000' })
  const gone = made.put(seller, 'ASK', '1', '10', { signature: 'gone' })
  made.put(seller, 'ASK', '2', '10')
  made.put(seller, 'ASK', '3', '11', { signature: 'sig\u{1f600}\n' })
  made.put(seller, 'ASK', '4', '11', { post_only: true })
  made.apply('order_cancel', { user_id: seller, market: 'ETH_USDT', order_id: gone.order.id })
  made.put(seller, 'ASK', '5', '12')
  made.put(buyer, 'BID', '0.5', '10')
  made.put(buyer, 'BID', '1', '9')
  made.put(seller, 'ASK', '2', '9')
  made.put(buyer, 'BID', '1', '8')
  return made
}

/** All that is known of the resting orders, by priority. */
function ordersOf(engine: Engine) {
  const { asks, bids } = engine.market('ETH_USDT')
  return [...asks, ...bids].map((order) => {
    const { id, user, side, price, amount, remain, finishedQuote, createTime, updateTime, postOnly, signature } = order
    const numbers = { id, user: user.id, price, amount, remain, finishedQuote, createTime, updateTime }
    return { ...numbers, side, postOnly, signature }
  })
}

interface Saved {
  /** The whole state. */
  readonly slice: Buffer
  /** Its orders as `spoil` has left them. */
  readonly table: Buffer
}

function save(engine: Engine, spoil: (orders: ArenaOrders) => void = () => undefined): Saved {
  const slice = sliceOf((writer) => writeState(engine, writer))
  spoil(arenaOf(engine))
  return { slice, table: sliceOf((writer) => arenaOf(engine).write(writer)) }
}

/** An engine that has read both, of the first one everything but the orders and what `leaveOut` names. */
function restored(saved: Saved, kind: StateKind, leaveOut = ''): Engine {
  const engine = new Engine({ state: kind })
  const table = new OrderTableRestorer(engine)
  const handlers = { ...restoreHandlers(engine), ...table.restore }
  const state = new SliceParser({
    row(name, values) {
      const handler = handlers[name as keyof typeof handlers]
      if (typeof handler === 'function' && name !== leaveOut) handler(values)
    },
  })
  const orders = new SliceParser({
    pieces(name, bytes) {
      const handler = table.blobs[name]
      return typeof handler === 'object' ? handler.pieces(bytes) : undefined
    },
  })
  state.push(saved.slice)
  state.end()
  orders.push(saved.table)
  orders.end()
  table.finish()
  return engine
}

describe.each(STATE_KINDS)('the table of an arena, restored into the %s', (state) => {
  it('is the same state, in which rows are freed and taken as before', () => {
    const { engine } = exchange()
    const copy = restored(save(engine), state)
    checkState(copy)
    expect(digest(copy)).toBe(digest(engine))
    expect([...copy.market('ETH_USDT').asks].map(({ id }) => id)).toEqual([2, 3, 4])
    for (const one of [engine, copy]) {
      const params = { user_id: 1, market: 'ETH_USDT' }
      expect(one.apply({ id: 99n, time: 1, method: 'order_cancel_all', params })).toEqual({ total: 3 })
      expect(one.openOrders.size).toBe(0)
    }
    expect(digest(copy)).toBe(digest(engine))
  })

  it('has every order as an engine has it that never had a table', () => {
    const { engine } = lively('heap')
    const copy = restored(save(lively('arena').engine), state)
    checkState(copy)
    expect(ordersOf(copy)).toEqual(ordersOf(engine))
    expect(ordersOf(copy).map(({ id, remain, amount }) => [id, remain < amount])).toEqual([
      [8, true],
      [2, true],
      [3, false],
      [4, false],
      [5, false],
      [9, false],
    ])
    expect(digest(copy)).toBe(digest(engine))
  })

  it('has the chains of its index drawn anew, even from circles', () => {
    const { engine } = lively('arena')
    const before = digest(engine)
    const saved = save(engine, (orders) => {
      for (let row = 0; row < 6; row++) orders['columns'].next_in_chain.set(row, row + 1)
    })
    const copy = restored(saved, state)
    checkState(copy)
    expect(digest(copy)).toBe(before)
  })

  it.each([
    ['price', 1, 0, /order 2 contradicts itself/],
    ['finished_quote', 1, -1, /order 2 contradicts itself/],
    ['remain', 1, 0, /order 2 contradicts itself/],
    ['remain', 1, 20_001, /order 2 contradicts itself/],
    ['price', 1, 0.5, /order 2 contradicts itself/],
    ['finished_quote', 1, NaN, /order 2 contradicts itself/],
    ['user_id', 1, 2, /order 2 contradicts itself/],
    ['market', 1, 9, /order 2 contradicts itself/],
    ['id', 1, 0, /order 0 contradicts itself/],
    ['id', 1, 4, /order 4 is there twice/],
    ['create_time', 1, -1, /timestamp/],
    ['update_time', 1, Infinity, /timestamp/],
    ['flags', 1, 4, /order 2: its signature/],
    ['flags', 2, 0, /order 3: its signature/],
    ['older', 1, 4, /3 rows are linked wrongly/],
    ['newer', 1, 1, /row 0 is linked wrongly/],
    ['newer', 1, 77, /row 76 is linked wrongly/],
    ['newer', 3, 2, /order 2 is there twice/],
  ] as const)('is refused with %s of row %d being %d', (column, row, value, message) => {
    const { engine } = exchange()
    const saved = save(engine, (orders) => orders['columns'][column].set(row, value))
    expect(() => restored(saved, state)).toThrow(message)
  })

  it('is refused without the texts of its orders', () => {
    const saved = save(exchange().engine)
    expect(() => restored(saved, state, 'signature_slice')).toThrow(/order 3: its signature/)
  })
})

describe('orders in an arena', () => {
  it('are refused where a column could not hold them', () => {
    const { engine } = exchange()
    const [order] = engine.user(1).orders
    if (order === undefined) throw new Error('there is no order')
    const { market, user } = order
    const tooMany = { ...user, id: 2 ** 32 } as typeof user
    const tooFar = { ...market, index: 2 ** 16 } as typeof market
    const put = (where: typeof market, who: typeof user, type: 'LIMIT' | 'MARKET') => () =>
      engine.orders.insert(engine.orders.make(9, where, who, 'ASK', type, 1, 1, false, '', 1))
    expect(put(market, tooMany, 'LIMIT')).toThrow(/user ids up to 4294967295/)
    expect(put(tooFar, user, 'LIMIT')).toThrow(/65536 markets/)
    expect(put(market, user, 'MARKET')).toThrow(/only limit orders rest/)
  })

  it('are one blob of the slice, beside which there are no rows of orders', () => {
    const tables: string[] = []
    const blobs: string[] = []
    const parser = new SliceParser({ table: (name) => void tables.push(name), blob: (name) => void blobs.push(name) })
    parser.push(save(exchange().engine).slice)
    expect(parser.end().values).toMatchObject({ resting_orders: 3 })
    expect(blobs).toEqual([ORDER_TABLE])
    expect(tables).not.toContain('order_slice')
  })
})

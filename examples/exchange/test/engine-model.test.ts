import fc from 'fast-check'
import { digest } from '../digest'
import { Engine, STATE_KINDS } from '../engine'
import { ExchangeError } from '../errors'
import type { Operation, OrderPutResult, Result, TransferResult, UserInfo } from '../operations'
import { orderInfo } from '../order'
import type { OrderInfo } from '../order'
import { checkState } from '../restore'
import { TIME } from './helpers'
import { Model, format } from './model'
import type { ModelOrder, ModelOutcome } from './model'

const MARKETS = ['ETH_USDT', 'UNI_USDT']
const ASSETS = ['ETH', 'USDT', 'UNI']
const USERS = 3

const user = fc.oneof(
  { weight: 30, arbitrary: fc.integer({ min: 1, max: USERS }) },
  { weight: 1, arbitrary: fc.constant(9) },
)
const market = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...MARKETS) },
  { weight: 1, arbitrary: fc.constant('ETH_BTC') },
)
const asset = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...ASSETS) },
  { weight: 1, arbitrary: fc.constant('BTC') },
)
/** Few prices, so that orders meet; few amounts, so that some fit exactly. */
const price = fc.constantFrom('0.01', '0.98', '0.99', '1.00', '1.01', '1.03', '7.77')
const amount = fc.oneof(fc.constantFrom('1', '2', '0.001', '0.0009', '1.5000'), decimal(1, 40_000, 4))
const side = fc.constantFrom('ASK' as const, 'BID' as const)

function decimal(low: number, high: number, digits: number): fc.Arbitrary<string> {
  return fc.integer({ min: low, max: high }).map((units) => (units / 10 ** digits).toFixed(digits))
}

type Body = { readonly method: Operation['method']; readonly params: object }

const limitOrder = fc
  .record({
    user_id: user,
    market,
    order_side: side,
    amount,
    price,
    post_only: fc.constantFrom(false, false, false, true),
  })
  .map((params): Body => ({ method: 'order_put', params: { ...params, order_type: 'LIMIT' } }))
const marketOrder = fc
  .record({ user_id: user, market, order_side: side, amount, quote_limit: fc.constantFrom('', '0', '1.999999', '30') })
  .map((params): Body => ({ method: 'order_put', params: { ...params, order_type: 'MARKET' } }))
const cancel = fc
  .record({ user_id: user, market, order_id: fc.integer({ min: 0, max: 40 }) })
  .map((params): Body => ({ method: 'order_cancel', params }))
const cancelAll = fc.record({ user_id: user, market }).map((params): Body => ({ method: 'order_cancel_all', params }))
const update = fc
  .record({ user_id: user, asset, business: fc.constantFrom('a', 'b:1'), business_id: fc.integer({ min: 0, max: 12 }) })
  .chain((params) => decimal(-5_000_000, 5_000_000, 6).map((delta) => ({ ...params, delta })))
  .map((params): Body => ({ method: 'balance_update', params }))
const transfer = fc
  .record({ from: user, to: user, asset, delta: decimal(-100_000, 9_000_000, 6) })
  .map((params): Body => ({ method: 'transfer', params }))

const bodies = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: limitOrder },
    { weight: 3, arbitrary: marketOrder },
    { weight: 3, arbitrary: cancel },
    { weight: 1, arbitrary: cancelAll },
    { weight: 2, arbitrary: update },
    { weight: 2, arbitrary: transfer },
  ),
  { minLength: 20, maxLength: 60, size: 'max' },
)

/** Users and their first funds, then what was generated. */
function operations(generated: readonly Body[]): Operation[] {
  const start: Body[] = []
  for (let id = 1; id <= USERS; id++) {
    start.push({ method: 'register_user', params: {} })
    for (const symbol of ASSETS) {
      const params = { user_id: id, asset: symbol, business: 'start', business_id: id, delta: '20.000000' }
      start.push({ method: 'balance_update', params })
    }
  }
  return [...start, ...generated].map((body, i) => ({ ...body, id: BigInt(i + 1), time: TIME + i * 7 }) as Operation)
}

type Outcome = { readonly result: Result } | { readonly refused: string }

function applyTo(engine: Engine, operation: Operation): Outcome {
  const before = digest(engine)
  try {
    return { result: engine.apply(operation) }
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error
    expect(digest(engine)).toBe(before)
    return { refused: error.status }
  }
}

/** Why a call is refused; undefined if it is not. */
function statusOf(call: () => void): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error
    return error.status
  }
}

function expectedOrder(order: ModelOrder): OrderInfo {
  return {
    ...{ id: order.id, market: order.market, order_side: order.side, order_type: order.type, user_id: order.user },
    ...{ create_time: order.createTime / 1000, update_time: order.updateTime / 1000 },
    ...{ price: format(order.price, 2), amount: format(order.amount, 4), remain: format(order.remain, 4) },
    ...{ taker_fee: '0', maker_fee: '0', finished_fee: '0', post_only: order.postOnly },
    ...{ finished_base: format(order.amount - order.remain, 4), finished_quote: format(order.quote, 6) },
  }
}

function expectSameOutcome(actual: Outcome, expected: ModelOutcome): void {
  if ('refused' in expected || 'refused' in actual) {
    expect(actual).toEqual(expected)
  } else if ('order' in expected) {
    const { order, trades } = 'order' in actual.result ? actual.result : { order: actual.result, trades: [] }
    expect(order).toEqual(expectedOrder(expected.order))
    const seen = (trades as OrderPutResult['trades']).map(
      ({ id, price, amount, quote, ask_order_id, bid_order_id }) => {
        return { id, price, amount, quote, ask: ask_order_id, bid: bid_order_id }
      },
    )
    expect(seen).toEqual(expected.trades)
  } else if ('success' in expected) {
    expect((actual.result as TransferResult).success).toBe(expected.success)
  } else if ('user' in expected) {
    expect((actual.result as UserInfo).user_id).toBe(expected.user)
  } else {
    expect(actual.result).toEqual(expected)
  }
}

/** All balances and books in one value: comparing them one by one would take most of the test's time. */
function expectSameState(engine: Engine, model: Model): void {
  const users = Array.from({ length: Math.min(USERS, model.users) }, (_, i) => i + 1)
  const pairs = users.flatMap((id) => ASSETS.map((symbol) => ({ id, symbol, index: engine.asset(symbol).index })))
  const books = MARKETS.flatMap((name) => [engine.market(name).asks, engine.market(name).bids])
  expect({
    balances: pairs.map(({ id, index }) => [engine.balances.available(id, index), engine.balances.frozen(id, index)]),
    books: books.map((book) => [[...book].map(orderInfo), book.amount]),
    tradeId: engine.tradeId,
  }).toEqual({
    balances: pairs.map(({ id, symbol }) => [Number(model.available(id, symbol)), Number(model.frozen(id, symbol))]),
    books: MARKETS.flatMap((name) => [modelBook(model, name, 'ASK'), modelBook(model, name, 'BID')]),
    tradeId: model.tradeId,
  })
  checkState(engine)
}

function modelBook(model: Model, market: string, side: 'ASK' | 'BID'): [OrderInfo[], number] {
  const orders = model.book(market, side)
  return [orders.map(expectedOrder), Number(orders.reduce((sum, order) => sum + order.remain, 0n) / 100n)]
}

/** No operation but a balance update changes how much of an asset there is. */
function expectConserved(engine: Engine, model: Model): void {
  for (const symbol of ASSETS) {
    let sum = 0n
    for (let id = 1; id <= model.users; id++) sum += model.available(id, symbol) + model.frozen(id, symbol)
    expect(engine.balances.supply(engine.asset(symbol).index)).toBe(Number(sum))
  }
}

describe.each(STATE_KINDS)('the engine with its orders in the %s and the plain model', (state) => {
  it('answer alike, hold the same state, and keep every asset', () => {
    const counts = { trades: 0, refused: 0 }
    fc.assert(
      fc.property(bodies, (generated) => {
        const engine = new Engine({ marketOrders: true, state })
        const model = new Model(MARKETS, ASSETS)
        for (const operation of operations(generated)) {
          const actual = applyTo(engine, operation)
          expectSameOutcome(actual, model.apply(operation))
          expectSameState(engine, model)
          expectConserved(engine, model)
          if ('refused' in actual) counts.refused++
        }
        counts.trades += model.tradeId
        engine.dispose()
      }),
      { numRuns: 80 },
    )
    // A flow without trades or refusals would prove little.
    expect(counts.trades).toBeGreaterThan(200)
    expect(counts.refused).toBeGreaterThan(50)
  })

  it('replay of the same operations refuses the same and gives the same state', () => {
    fc.assert(
      fc.property(bodies, (generated) => {
        const applied = new Engine({ marketOrders: true, state })
        // On the heap, whatever the first one is: they agree.
        const replayed = new Engine({ marketOrders: true })
        for (const operation of operations(generated)) {
          const outcome = applyTo(applied, operation)
          const refused = 'refused' in outcome ? outcome.refused : undefined
          expect(statusOf(() => replayed.replay(operation))).toBe(refused)
        }
        expect(digest(replayed)).toBe(digest(applied))
        applied.dispose()
      }),
      { numRuns: 20 },
    )
  })
})

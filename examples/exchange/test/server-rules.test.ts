import type { Requests } from '../server/wire'
import { type ExchangeClient, refusal } from './exchange-client'
import { TestServer } from './server-kit'

/** Each case is refused with its reason, and leaves the state as it was. */

let server: TestServer
let client: ExchangeClient
/** Has 100 ETH and 1,000 USDT, and one bid: order 1, 10 ETH at 1.00. */
let user_id: number
/** Has nothing. */
let other: number

const ETH = 'ETH_USDT'
const NONE = 99

beforeAll(async () => {
  server = await TestServer.start()
  client = server.client()
  user_id = await client.user({ ETH: '100', USDT: '1000' })
  other = await client.user()
  await client.put(user_id, 'BID', '10', '1')
})

afterAll(() => server.dispose())

async function expectRefused(call: () => Promise<unknown>, reason: string): Promise<void> {
  const before = [server.digest(), server.exchange.log.lastId]
  expect(await refusal(call())).toBe(reason)
  expect([server.digest(), server.exchange.log.lastId]).toEqual(before)
}

const put = (more: Partial<Requests['OrderPut']>) => () => client.put(user_id, 'BID', '1', '1', more)

describe('OrderPut refuses', () => {
  it.each<[string, Partial<Requests['OrderPut']>, string]>([
    ['an unknown user', { user_id: NONE }, 'INVALID_ARGUMENT invalid user'],
    ['an unknown market', { market: 'ETH_BTC' }, 'INVALID_ARGUMENT invalid market'],
    ['a side that has no name', { order_side: 7 as never }, 'INVALID_ARGUMENT invalid order_side'],
    ['a type that has no name', { order_type: 7 as never }, 'INVALID_ARGUMENT invalid order_type'],
    ['no amount', { amount: '' }, 'INVALID_ARGUMENT invalid amount'],
    ['an amount of 0', { amount: '0' }, 'INVALID_ARGUMENT invalid amount'],
    ['a negative amount', { amount: '-1' }, 'INVALID_ARGUMENT invalid amount'],
    ['an amount below the minimum', { amount: '0.0009' }, 'INVALID_ARGUMENT invalid amount'],
    ['an amount that is too precise', { amount: '1.00001' }, 'INVALID_ARGUMENT invalid amount precision'],
    ['no price', { price: '' }, 'INVALID_ARGUMENT invalid price'],
    ['a price of 0', { price: '0.00' }, 'INVALID_ARGUMENT invalid price'],
    ['a negative price', { price: '-1' }, 'INVALID_ARGUMENT invalid price'],
    ['a price that is too precise', { price: '1.001' }, 'INVALID_ARGUMENT invalid price precision'],
    ['a taker fee', { taker_fee: '0.1' }, 'INVALID_ARGUMENT only 0 fee is supported now'],
    ['a maker fee', { maker_fee: '0.1' }, 'INVALID_ARGUMENT only 0 fee is supported now'],
    ['a bid without the quote', { amount: '1000' }, 'FAILED_PRECONDITION balance not enough'],
    ['an ask without the base', { order_side: 'ASK', amount: '101' }, 'FAILED_PRECONDITION balance not enough'],
    ['market orders', { order_type: 'MARKET', price: '' }, 'FAILED_PRECONDITION market orders are disabled'],
    ['a value out of range', { amount: '99999999', price: '99999999' }, 'INVALID_ARGUMENT order value out of range'],
    ['a signature without end', { signature: 'x'.repeat(257) }, 'INVALID_ARGUMENT invalid signature'],
    ['a NUL in a signature', { signature: 'a\0' }, 'INVALID_ARGUMENT invalid signature'],
  ])('%s', (_what, more, reason) => expectRefused(put(more), reason))
})

describe('OrderCancel and OrderDetail refuse', () => {
  it.each<[string, Partial<Requests['OrderCancel']>, string]>([
    ['an unknown user', { user_id: NONE }, 'INVALID_ARGUMENT invalid user'],
    ["another user's order", { user_id: 2 }, 'INVALID_ARGUMENT invalid user'],
    ['an unknown market', { market: '' }, 'INVALID_ARGUMENT invalid market'],
    ['another market', { market: 'UNI_USDT' }, 'INVALID_ARGUMENT invalid order_id'],
    ['an unknown order', { order_id: '99' }, 'INVALID_ARGUMENT invalid order_id'],
    ['order 0', { order_id: '0' }, 'INVALID_ARGUMENT invalid order_id'],
    ['the largest id', { order_id: '18446744073709551615' }, 'INVALID_ARGUMENT invalid order_id'],
  ])('%s', (_what, more, reason) =>
    expectRefused(() => client.call('OrderCancel', { user_id, market: ETH, order_id: '1', ...more }), reason),
  )

  it('an order that is finished', async () => {
    const { id } = await client.put(user_id, 'ASK', '1', '5')
    await client.call('OrderCancel', { user_id, market: ETH, order_id: id })
    const reason = 'INVALID_ARGUMENT invalid order_id'
    await expectRefused(() => client.call('OrderCancel', { user_id, market: ETH, order_id: id }), reason)
    await expectRefused(() => client.call('OrderDetail', { market: ETH, order_id: id }), reason)
    await expectRefused(
      () => client.call('OrderDetail', { market: 'X', order_id: '1' }),
      'INVALID_ARGUMENT invalid market',
    )
  })

  it('OrderCancelAll refuses an unknown user or market', async () => {
    const all = (more: object) => () => client.call('OrderCancelAll', { user_id, market: ETH, ...more })
    await expectRefused(all({ user_id: NONE }), 'INVALID_ARGUMENT invalid user')
    await expectRefused(all({ market: 'X' }), 'INVALID_ARGUMENT invalid market')
  })
})

describe('BalanceUpdate refuses', () => {
  const update = { asset: 'ETH', business: 'deposit', business_id: '1', delta: '1' }

  it.each<[string, Partial<Requests['BalanceUpdate']>, string]>([
    ['an unknown user', { user_id: NONE }, 'INVALID_ARGUMENT invalid user'],
    ['an unknown asset', { asset: 'BTC' }, 'INVALID_ARGUMENT invalid asset'],
    ['no delta', { delta: '' }, 'INVALID_ARGUMENT invalid delta'],
    ['a delta that is too precise', { delta: '0.0000001' }, 'INVALID_ARGUMENT invalid delta precision'],
    [
      'a delta beyond the supply',
      { delta: '4000000001' },
      'INVALID_ARGUMENT delta exceeds the supply that the asset can have',
    ],
    ['taking what is not there', { delta: '-100.000001' }, 'FAILED_PRECONDITION balance not enough'],
    ['a business without end', { business: 'x'.repeat(65) }, 'INVALID_ARGUMENT invalid business'],
    ['a detail that is no JSON', { detail: '{' }, 'INVALID_ARGUMENT invalid detail json'],
  ])('%s', (_what, more, reason) =>
    expectRefused(() => client.call('BalanceUpdate', { user_id, ...update, ...more }), reason),
  )

  it('one that was made before, after a restart too, but not for another user, asset or business', async () => {
    const again = { user_id, ...update, business: 'once' }
    await client.call('BalanceUpdate', again)
    const reason = 'ALREADY_EXISTS duplicate balance update'
    await expectRefused(() => client.call('BalanceUpdate', { ...again, delta: '7' }), reason)
    await server.stop()
    await server.start()
    client = server.client()
    await expectRefused(() => client.call('BalanceUpdate', again), reason)
    for (const more of [{ user_id: other }, { asset: 'UNI' }, { business: 'twice' }, { business_id: '2' }]) {
      expect(await client.call('BalanceUpdate', { ...again, ...more })).toEqual({})
    }
  })
})

describe('Transfer', () => {
  it.each<[string, Partial<Requests['Transfer']>, string]>([
    ['an unknown sender', { from: NONE }, 'INVALID_ARGUMENT invalid user'],
    ['an unknown receiver', { to: NONE }, 'INVALID_ARGUMENT invalid user'],
    ['an unknown asset', { asset: 'BTC' }, 'INVALID_ARGUMENT invalid asset'],
  ])('refuses %s', (_what, more, reason) =>
    expectRefused(
      () => client.call('Transfer', { from: user_id, to: other, asset: 'ETH', delta: '1', ...more }),
      reason,
    ),
  )

  it.each([
    ['more than there is', { delta: '1000000' }],
    ['nothing', { delta: '0' }],
    ['less than nothing', { delta: '-1' }],
    ['what is no number', { delta: 'NaN' }],
    ['to oneself', { to: 1, delta: '1' }],
  ])('moves nothing for %s, and says so with the balance', async (_what, more) => {
    const before = server.digest()
    const [balance_from] = await client.balance(user_id, 'ETH')
    const answer = await client.call('Transfer', { from: user_id, to: other, asset: 'ETH', ...more })
    expect(answer).toEqual({ success: false, asset: 'ETH', balance_from })
    expect(server.digest()).toBe(before)
  })
})

describe('questions refuse', () => {
  it.each<[string, () => Promise<unknown>, string]>([
    ['a balance of nobody', () => client.call('BalanceQuery', { user_id: NONE }), 'invalid user'],
    ['a balance of user 0', () => client.call('BalanceQuery', {}), 'invalid user'],
    ['an unknown asset', () => client.call('BalanceQuery', { user_id, assets: ['ETH', 'BTC'] }), 'invalid asset'],
    ['orders of nobody', () => client.call('OrderQuery', { user_id: NONE, market: ETH, limit: 1 }), 'invalid user'],
    ['orders of no market', () => client.call('OrderQuery', { user_id, limit: 1 }), 'invalid market'],
    ['a negative offset', () => client.call('OrderQuery', { user_id, market: ETH, offset: -1 }), 'invalid offset'],
    ['a negative limit', () => client.call('OrderQuery', { user_id, market: ETH, limit: -1 }), 'invalid limit'],
    ['a depth of no market', () => client.call('OrderBookDepth', { limit: 1 }), 'invalid market'],
    ['a negative depth', () => client.call('OrderBookDepth', { market: ETH, limit: -5 }), 'invalid limit'],
    ['a negative interval', () => client.call('OrderBookDepth', { market: ETH, interval: '-1' }), 'invalid interval'],
    ['no interval', () => client.call('OrderBookDepth', { market: ETH, interval: '1e2' }), 'invalid interval'],
    ['a summary of no market', () => client.call('MarketSummary', { markets: [ETH, 'X'] }), 'invalid market'],
  ])('%s', (_what, call, reason) => expectRefused(call, `INVALID_ARGUMENT ${reason}`))
})

describe('orders that do not match', () => {
  it.each([
    ['post-only, and would trade', () => other, { post_only: true }],
    ["would trade with their own user's", () => user_id, {}],
  ])('are cancelled if they are %s', async (_what, who, more) => {
    const buyer = who()
    const [maker] = buyer === user_id ? [user_id] : [await client.user({ ETH: '5' })]
    await client.call('BalanceUpdate', {
      ...{ user_id: buyer, asset: 'USDT', business: 'more', business_id: String(maker), delta: '50' },
    })
    const ask = await client.put(maker, 'ASK', '5', '2')
    const before = await client.balance(buyer, 'USDT')
    const order = await client.put(buyer, 'BID', '5', '2', more)
    expect(order).toMatchObject({ remain: '5.0000', finished_base: '0.0000' })
    expect(await client.balance(buyer, 'USDT')).toEqual(before)
    const detail = (order_id: string) => client.call('OrderDetail', { market: ETH, order_id })
    expect(await refusal(detail(order.id))).toBe('INVALID_ARGUMENT invalid order_id')
    expect(await detail(ask.id)).toEqual(ask)
    await client.call('OrderCancel', { user_id: maker, market: ETH, order_id: ask.id })
  })
})

describe('a server without --debug', () => {
  it.each(['DebugDump', 'DebugReset', 'DebugReload'] as const)('answers %s with PERMISSION_DENIED', (rpc) =>
    expectRefused(() => client.call(rpc), 'PERMISSION_DENIED debug calls are off: start the server with --debug'),
  )
})

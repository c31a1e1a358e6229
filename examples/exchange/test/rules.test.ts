import { UNITS_MAX } from '../decimal'
import { digest } from '../digest'
import type { OperationParams } from '../operations'
import { queryOrder } from '../queries'
import { TestExchange, TIME, refusal } from './helpers'

type PutParams = OperationParams['order_put']

const RICH = { ETH: '1000', USDT: '1000000', UNI: '1000' }

function twoUsers(marketOrders = false) {
  const exchange = new TestExchange({ marketOrders })
  return { exchange, ann: exchange.user(RICH), bob: exchange.user(RICH) }
}

describe('users and balances', () => {
  it('numbers users from 1', () => {
    const exchange = new TestExchange()
    expect(exchange.apply('register_user', { l1_address: 'a', l2_pubkey: 'b' })).toEqual({
      ...{ user_id: 1, l1_address: 'a', l2_pubkey: 'b' },
    })
    expect(exchange.apply('register_user', {})).toEqual({ user_id: 2, l1_address: '', l2_pubkey: '' })
  })

  it('refuses texts that a slice could not hold, and too long ones', () => {
    const exchange = new TestExchange()
    for (const bad of ['a\0b', '\ud800', 'x\udc00', 'x'.repeat(257), 5 as unknown as string]) {
      expect(refusal(() => exchange.apply('register_user', { l1_address: bad }))).toBe(
        'INVALID_ARGUMENT invalid l1_address',
      )
    }
    expect(exchange.apply('register_user', { l1_address: '\u{1f600}' }).l1_address).toBe('\u{1f600}')
  })

  it('refuses a balance update seen before, whatever its delta, and tells its keys apart', () => {
    const exchange = new TestExchange()
    const user = exchange.user()
    const update = { user_id: user, asset: 'ETH', business: 'b', business_id: 7, delta: '1' }
    exchange.apply('balance_update', update)
    const again = [update, { ...update, delta: '-1' }, { ...update, business_id: '7' }]
    for (const params of again) {
      expect(refusal(() => exchange.apply('balance_update', params))).toBe('ALREADY_EXISTS duplicate balance update')
    }
    const other = exchange.user()
    exchange.apply('balance_update', { ...update, asset: 'UNI' })
    exchange.apply('balance_update', { ...update, business: 'c' })
    exchange.apply('balance_update', { ...update, business_id: 8 })
    exchange.apply('balance_update', { ...update, user_id: other })
    expect(exchange.balance(user, 'ETH')).toEqual(['3.000000', '0.000000'])
  })

  it('forgets an update that was refused', () => {
    const exchange = new TestExchange()
    const user = exchange.user()
    const update = { user_id: user, asset: 'ETH', business: 'b', business_id: 7, delta: '-1' }
    expect(refusal(() => exchange.apply('balance_update', update))).toBe('FAILED_PRECONDITION balance not enough')
    exchange.apply('balance_update', { ...update, delta: '1' })
  })

  it.each([
    [{ user_id: 2 }, 'invalid user'],
    [{ user_id: 0 }, 'invalid user'],
    [{ user_id: '1' }, 'invalid user'],
    [{ asset: 'BTC' }, 'invalid asset'],
    [{ asset: '__proto__' }, 'invalid asset'],
    [{ business_id: -1 }, 'invalid business_id'],
    [{ business_id: 1.5 }, 'invalid business_id'],
    [{ business_id: 2 ** 53 }, 'invalid business_id'],
    [{ business_id: '18446744073709551616' }, 'invalid business_id'],
    [{ business_id: '01' }, 'invalid business_id'],
    [{ business: 'a\0' }, 'invalid business'],
    [{ business: 'x'.repeat(65) }, 'invalid business'],
    [{ delta: '1.0000001' }, 'invalid delta precision'],
    [{ delta: '1e3' }, 'invalid delta'],
    [{ delta: '5000000000' }, 'delta exceeds the supply that the asset can have'],
    [{ delta: '9007199255' }, 'delta out of range'],
  ])('refuses a balance update with %j', (wrong, message) => {
    const exchange = new TestExchange()
    const user_id = exchange.user()
    const before = digest(exchange.engine)
    const params = { user_id, asset: 'ETH', business: 'b', business_id: '18446744073709551615', delta: '1', ...wrong }
    const call = () => exchange.apply('balance_update', params as OperationParams['balance_update'])
    expect(refusal(call)).toBe(`INVALID_ARGUMENT ${message}`)
    expect(digest(exchange.engine)).toBe(before)
  })

  it('bounds the supply of an asset over all users', () => {
    const exchange = new TestExchange()
    const [ann, bob] = [exchange.user({ ETH: '3999999999.999999' }), exchange.user({ ETH: '0.000001' })]
    expect(exchange.engine.balances.supply(0)).toBe(UNITS_MAX)
    expect(refusal(() => exchange.deposit(bob, 'ETH', '0.000001'))).toMatch('exceeds the supply')
    exchange.deposit(ann, 'ETH', '-0.000001')
    exchange.deposit(bob, 'ETH', '0.000001')
  })
})

describe('transfer', () => {
  it('moves what is available', () => {
    const { exchange, ann, bob } = twoUsers()
    const result = exchange.apply('transfer', { from: ann, to: bob, asset: 'ETH', delta: '1.5', memo: 'm' })
    expect(result).toEqual({ success: true, asset: 'ETH', balance_from: '998.500000' })
    expect(exchange.balance(bob, 'ETH')).toEqual(['1001.500000', '0.000000'])
  })

  it('answers success: false and moves nothing when it cannot be done', () => {
    const { exchange, ann, bob } = twoUsers()
    exchange.put(ann, 'ASK', '999', '1')
    const before = digest(exchange.engine)
    const failed = { success: false, asset: 'ETH', balance_from: '1.000000' }
    for (const delta of ['0', '-1', '1.000001', '0.0000001', 'NaN', '', '1e1']) {
      expect(exchange.apply('transfer', { from: ann, to: bob, asset: 'ETH', delta })).toEqual(failed)
    }
    expect(exchange.apply('transfer', { from: ann, to: ann, asset: 'ETH', delta: '1' })).toEqual(failed)
    expect(digest(exchange.engine)).toBe(before)
  })

  it('refuses unknown users and assets', () => {
    const { exchange, ann, bob } = twoUsers()
    const transfer = (more: object) => () => {
      exchange.apply('transfer', { from: ann, to: bob, asset: 'ETH', delta: '1', ...more })
    }
    expect(refusal(transfer({ to: 9 }))).toBe('INVALID_ARGUMENT invalid user')
    expect(refusal(transfer({ from: 9 }))).toBe('INVALID_ARGUMENT invalid user')
    expect(refusal(transfer({ asset: 'BTC' }))).toBe('INVALID_ARGUMENT invalid asset')
  })
})

describe('orders that are refused', () => {
  it.each([
    [{ user_id: 9 }, 'INVALID_ARGUMENT invalid user'],
    [{ market: 'ETH_BTC' }, 'INVALID_ARGUMENT invalid market'],
    [{ order_side: 'BUY' }, 'INVALID_ARGUMENT invalid order_side'],
    [{ order_side: 1 }, 'INVALID_ARGUMENT invalid order_side'],
    [{ order_type: 'STOP' }, 'INVALID_ARGUMENT invalid order_type'],
    [{ order_type: 'MARKET', price: '' }, 'FAILED_PRECONDITION market orders are disabled'],
    [{ post_only: 'yes' }, 'INVALID_ARGUMENT invalid post_only'],
    [{ amount: '0.0009' }, 'INVALID_ARGUMENT invalid amount'],
    [{ amount: '0' }, 'INVALID_ARGUMENT invalid amount'],
    [{ amount: '-1' }, 'INVALID_ARGUMENT invalid amount'],
    [{ amount: '1.00001' }, 'INVALID_ARGUMENT invalid amount precision'],
    [{ amount: '9'.repeat(20) }, 'INVALID_ARGUMENT amount out of range'],
    [{ price: '0' }, 'INVALID_ARGUMENT invalid price'],
    [{ price: '' }, 'INVALID_ARGUMENT invalid price'],
    [{ price: '-1' }, 'INVALID_ARGUMENT invalid price'],
    [{ price: '1.001' }, 'INVALID_ARGUMENT invalid price precision'],
    [{ amount: '90000', price: '90000' }, 'INVALID_ARGUMENT order value out of range'],
    [{ amount: '900000000000', price: '90000000000000' }, 'INVALID_ARGUMENT order value out of range'],
    [{ taker_fee: '0.001' }, 'INVALID_ARGUMENT only 0 fee is supported now'],
    [{ maker_fee: '1' }, 'INVALID_ARGUMENT only 0 fee is supported now'],
    [{ maker_fee: 'x' }, 'INVALID_ARGUMENT invalid maker_fee'],
    [{ signature: 'x'.repeat(257) }, 'INVALID_ARGUMENT invalid signature'],
    [{ amount: '1000.0001' }, 'FAILED_PRECONDITION balance not enough'],
    [{ order_side: 'BID', amount: '1000', price: '1000.01' }, 'FAILED_PRECONDITION balance not enough'],
  ])('%j', (wrong, expected) => {
    const { exchange, ann } = twoUsers()
    const before = digest(exchange.engine)
    const call = () => exchange.put(ann, 'ASK', '1', '1', wrong as Partial<PutParams>)
    expect(refusal(call)).toBe(expected)
    expect(digest(exchange.engine)).toBe(before)
    expect(exchange.put(ann, 'ASK', '1', '1').order.id).toBe(1)
  })

  it('a thousand open orders are enough for one user, over all markets', () => {
    const { exchange, ann, bob } = twoUsers()
    for (let i = 0; i < 1000; i++) exchange.put(ann, 'BID', '1', '1', { market: i % 2 ? 'ETH_USDT' : 'UNI_USDT' })
    const oneMore = () => exchange.put(ann, 'BID', '1', '1', { market: 'LINK_USDT' })
    expect(refusal(oneMore)).toBe('RESOURCE_EXHAUSTED too many open orders: a user can have 1000')
    exchange.put(bob, 'BID', '1', '1')
    exchange.apply('order_cancel', { user_id: ann, market: 'UNI_USDT', order_id: 1 })
    oneMore()
  })

  it('operations that are no operations', () => {
    const { exchange } = twoUsers()
    const { engine } = exchange
    const call = (more: object) => () =>
      engine.apply({ id: 1n, time: TIME, method: 'register_user', params: {}, ...more } as never)
    expect(refusal(call({ method: 'drop' }))).toBe('INVALID_ARGUMENT invalid method')
    expect(refusal(call({ params: null }))).toBe('INVALID_ARGUMENT invalid params')
    for (const time of [-1, 0.5, NaN, 253_402_300_800_000, '5']) {
      expect(refusal(call({ time }))).toBe('INVALID_ARGUMENT invalid time')
    }
  })
})

describe('trading', () => {
  it('trades at the resting price, oldest first, and freezes what rests', () => {
    const { exchange, ann, bob } = twoUsers()
    exchange.put(ann, 'ASK', '1', '10.00')
    exchange.put(ann, 'ASK', '2', '9.50')
    exchange.put(ann, 'ASK', '3', '10.00')
    const { order, trades } = exchange.put(bob, 'BID', '5', '10.00')
    expect(trades.map(({ ask_order_id, price, amount, quote }) => [ask_order_id, price, amount, quote])).toEqual([
      [2, '9.50', '2.0000', '19.000000'],
      [1, '10.00', '1.0000', '10.000000'],
      [3, '10.00', '2.0000', '20.000000'],
    ])
    expect(order).toMatchObject({ id: 4, remain: '0.0000', finished_base: '5.0000', finished_quote: '49.000000' })
    expect(exchange.balance(bob, 'USDT')).toEqual(['999951.000000', '0.000000'])
    expect(exchange.balance(ann, 'ETH')).toEqual(['994.000000', '1.000000'])
    expect(trades.map((trade) => trade.id)).toEqual([1, 2, 3])
  })

  it('a bid freezes amount times price, and gets back all of it when cancelled after a partial trade', () => {
    const { exchange, ann, bob } = twoUsers()
    exchange.put(ann, 'BID', '3.3333', '7.77')
    expect(exchange.balance(ann, 'USDT')).toEqual(['999974.100259', '25.899741'])
    exchange.put(bob, 'ASK', '1.1111', '1')
    expect(exchange.balance(ann, 'USDT')).toEqual(['999974.100259', '17.266494'])
    const order = exchange.apply('order_cancel', { user_id: ann, market: 'ETH_USDT', order_id: 1 })
    expect(order).toMatchObject({ remain: '2.2222', finished_base: '1.1111', finished_quote: '8.633247' })
    expect(exchange.balance(ann, 'USDT')).toEqual(['999991.366753', '0.000000'])
  })

  it('keeps the times of operations', () => {
    const { exchange, ann, bob } = twoUsers()
    const { order } = exchange.put(ann, 'ASK', '2', '10')
    exchange.put(bob, 'BID', '1', '10')
    const traded = queryOrder(exchange.engine, 'ETH_USDT', 1)
    expect(traded.update_time - order.update_time).toBeCloseTo(0.001, 6)
    const now = exchange.apply('order_cancel', { user_id: ann, market: 'ETH_USDT', order_id: 1 })
    expect(now.create_time).toBe(order.create_time)
    expect(now.update_time - order.update_time).toBeCloseTo(0.002, 6)
  })

  it('cancels a post-only order that would trade, and lets one rest that would not', () => {
    const { exchange, ann, bob } = twoUsers()
    exchange.put(ann, 'ASK', '1', '10')
    const crossing = exchange.put(bob, 'BID', '1', '10', { post_only: true })
    expect(crossing).toMatchObject({ order: { id: 2, remain: '1.0000', post_only: true }, trades: [] })
    expect(exchange.balance(bob, 'USDT')).toEqual(['1000000.000000', '0.000000'])
    exchange.put(bob, 'BID', '1', '9.99', { post_only: true })
    expect([...exchange.engine.market('ETH_USDT').bids].map((order) => order.id)).toEqual([3])
  })

  it('cancels what would trade with its own user, after the trades that come before', () => {
    const { exchange, ann, bob } = twoUsers()
    exchange.put(bob, 'ASK', '1', '9')
    exchange.put(ann, 'ASK', '1', '10')
    const { order, trades } = exchange.put(ann, 'BID', '3', '11')
    expect(trades.map((trade) => trade.ask_order_id)).toEqual([1])
    expect(order).toMatchObject({ remain: '2.0000', finished_quote: '9.000000' })
    expect(exchange.balance(ann, 'USDT')).toEqual(['999991.000000', '0.000000'])
    expect([...exchange.engine.market('ETH_USDT').asks].map((resting) => resting.id)).toEqual([2])
  })

  it('values at the edge of the range stay exact', () => {
    const exchange = new TestExchange()
    const seller = exchange.user({ ETH: '0.001' })
    const buyer = exchange.user({ USDT: '4000000000' })
    exchange.put(seller, 'ASK', '0.001', '4000000000000')
    const { trades } = exchange.put(buyer, 'BID', '0.001', '4000000000000')
    expect(trades[0]).toMatchObject({ price: '4000000000000.00', quote: '4000000000.000000' })
    expect(exchange.balance(seller, 'USDT')).toEqual(['4000000000.000000', '0.000000'])
  })
})

describe('market orders', () => {
  it('an ask takes what is there and never rests', () => {
    const { exchange, ann, bob } = twoUsers(true)
    exchange.put(ann, 'BID', '1', '10')
    const { order } = exchange.put(bob, 'ASK', '3', '', { order_type: 'MARKET' })
    expect(order).toMatchObject({ price: '0.00', remain: '2.0000', finished_quote: '10.000000' })
    expect(exchange.engine.market('ETH_USDT').asks.count).toBe(0)
    expect(exchange.balance(bob, 'ETH')).toEqual(['999.000000', '0.000000'])
  })

  it('a bid spends at most its limit, rounded down to what an amount can be', () => {
    const { exchange, ann, bob } = twoUsers(true)
    exchange.put(ann, 'ASK', '1', '10')
    exchange.put(ann, 'ASK', '5', '30')
    const { order } = exchange.put(bob, 'BID', '100', '', { order_type: 'MARKET', quote_limit: '20' })
    expect(order).toMatchObject({ finished_base: '1.3333', finished_quote: '19.999000' })
  })

  it('a bid without a limit spends at most the balance', () => {
    const exchange = new TestExchange({ marketOrders: true })
    const ann = exchange.user(RICH)
    const poor = exchange.user({ USDT: '5' })
    for (const limit of ['', '0', '6']) {
      exchange.put(ann, 'ASK', '0.6', '10')
      const { order } = exchange.put(poor, 'BID', '9', '', { order_type: 'MARKET', quote_limit: limit })
      expect(order.finished_quote).toBe('5.000000')
      exchange.deposit(poor, 'USDT', '5')
    }
  })

  it.each([
    [{ price: '1' }, 'INVALID_ARGUMENT a market order has no price'],
    [{ post_only: true }, 'INVALID_ARGUMENT a market order cannot be post_only'],
    [{ quote_limit: '-1' }, 'INVALID_ARGUMENT invalid quote_limit'],
    [{ quote_limit: '0.0000001' }, 'INVALID_ARGUMENT invalid quote_limit precision'],
    [{ order_side: 'ASK', amount: '1001' }, 'FAILED_PRECONDITION balance not enough'],
    [{ user_id: 3 }, 'FAILED_PRECONDITION balance not enough'],
  ])('refuses %j', (wrong, expected) => {
    const { exchange, ann } = twoUsers(true)
    exchange.user()
    const more = { order_type: 'MARKET', ...wrong } as Partial<PutParams>
    expect(refusal(() => exchange.put(ann, 'BID', '1', '', more))).toBe(expected)
  })
})

describe('cancelling', () => {
  it('refuses orders that are unknown, finished, in another market or of another user', () => {
    const { exchange, ann, bob } = twoUsers()
    exchange.put(ann, 'ASK', '1', '10')
    exchange.put(ann, 'ASK', '1', '10')
    exchange.put(bob, 'BID', '1', '10')
    const cancel = (more: object) => () =>
      exchange.apply('order_cancel', { user_id: ann, market: 'ETH_USDT', order_id: 2, ...more })
    for (const order_id of [0, 1, 3, 4, -1, 1.5, 2 ** 60, '1', '18446744073709551615', 'x', '', null, {}]) {
      expect(refusal(cancel({ order_id }))).toBe('INVALID_ARGUMENT invalid order_id')
    }
    expect(refusal(cancel({ market: 'UNI_USDT' }))).toBe('INVALID_ARGUMENT invalid order_id')
    expect(refusal(cancel({ market: 'X' }))).toBe('INVALID_ARGUMENT invalid market')
    expect(refusal(cancel({ user_id: bob }))).toBe('INVALID_ARGUMENT invalid user')
    expect(cancel({ order_id: '2' })()).toMatchObject({ id: 2, remain: '1.0000' })
    expect(refusal(cancel({}))).toBe('INVALID_ARGUMENT invalid order_id')
  })

  it('cancels all orders of a user in one market', () => {
    const { exchange, ann, bob } = twoUsers()
    for (const market of ['ETH_USDT', 'UNI_USDT', 'ETH_USDT']) exchange.put(ann, 'ASK', '1', '10', { market })
    exchange.put(bob, 'ASK', '1', '10')
    expect(exchange.apply('order_cancel_all', { user_id: ann, market: 'ETH_USDT' })).toEqual({ total: 2 })
    expect(exchange.apply('order_cancel_all', { user_id: ann, market: 'ETH_USDT' })).toEqual({ total: 0 })
    expect(exchange.balance(ann, 'ETH')).toEqual(['1000.000000', '0.000000'])
    expect(exchange.balance(ann, 'UNI')).toEqual(['999.000000', '1.000000'])
    expect(exchange.engine.openOrders.size).toBe(2)
  })
})

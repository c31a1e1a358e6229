import { FileOperationLog, type LogEntry } from 'forksnap'
import { join } from 'node:path'
import type { ExchangeClient } from './exchange-client'
import { TestServer } from './server-kit'

let server: TestServer
let client: ExchangeClient

beforeEach(async () => {
  server = await TestServer.start({ marketOrders: true })
  client = server.client()
})

afterEach(() => server.dispose())

const now = (): number => Date.now() / 1000

describe('every call of the service succeeds', () => {
  it('RegisterUser numbers users from 1 and gives back what was said', async () => {
    const user = { user_id: 77, l1_address: '0x1', l2_pubkey: '0x2' }
    expect(await client.call('RegisterUser', user)).toEqual({ ...user, user_id: 1 })
    expect(await client.call('RegisterUser', {})).toEqual({ user_id: 2, l1_address: '', l2_pubkey: '' })
  })

  it('BalanceUpdate and BalanceQuery', async () => {
    const user_id = await client.user()
    const update = { user_id, asset: 'ETH', business: 'deposit', business_id: '18446744073709551615', delta: '12.5' }
    expect(await client.call('BalanceUpdate', { ...update, detail: '{"from":"0x1"}' })).toEqual({})
    expect(await client.call('BalanceUpdate', { ...update, business_id: '2', delta: '-2.000001' })).toEqual({})
    expect(await client.call('BalanceQuery', { user_id, assets: ['ETH', 'YFI'] })).toEqual({
      balances: [
        { asset_id: 'ETH', available: '10.499999', frozen: '0.000000' },
        { asset_id: 'YFI', available: '0.000000', frozen: '0.000000' },
      ],
    })
    const { balances } = await client.call('BalanceQuery', { user_id })
    expect(balances.map(({ asset_id }) => asset_id)).toEqual(['ETH', 'USDT', 'UNI', 'LINK', 'YFI', 'MATIC'])
  })

  it('AssetList and MarketList', async () => {
    const { asset_lists } = await client.call('AssetList')
    expect(asset_lists).toHaveLength(6)
    expect(asset_lists[1]).toEqual({
      ...{ symbol: 'USDT', name: 'Tether USD', chain_id: 1, token_address: '', precision: 6 },
      ...{ logo_uri: '', inner_id: 1 },
    })
    const { markets } = await client.call('MarketList')
    expect(markets).toHaveLength(4)
    expect(markets[0]).toEqual({
      ...{ name: 'ETH_USDT', base: 'ETH', quote: 'USDT', min_amount: '0.001' },
      ...{ fee_precision: 0, amount_precision: 4, price_precision: 2 },
    })
    expect(await client.call('ReloadMarkets', { from_scratch: true })).toEqual({})
  })

  it('OrderPut, resting and trading, with ids from 1 and times of now in seconds', async () => {
    const began = now()
    const [maker, taker] = [await client.user({ ETH: '10' }), await client.user({ USDT: '100' })]
    const ask = await client.put(maker, 'ASK', '10', '1.1')
    expect(ask).toEqual({
      ...{ id: '1', market: 'ETH_USDT', order_side: 'ASK', order_type: 'LIMIT', user_id: maker },
      ...{ create_time: ask.create_time, update_time: ask.create_time, price: '1.10', amount: '10.0000' },
      ...{ taker_fee: '0', maker_fee: '0', remain: '10.0000', finished_base: '0.0000', finished_quote: '0.000000' },
      ...{ finished_fee: '0', post_only: false },
    })
    expect(ask.create_time).toBeGreaterThanOrEqual(Math.floor(began * 1000) / 1000)
    expect(ask.create_time).toBeLessThanOrEqual(now())
    expect(await client.put(taker, 'BID', '4', '2')).toMatchObject({
      id: '2',
      remain: '0.0000',
      finished_quote: '4.400000',
    })
    const market = { user_id: taker, order_side: 'BID', order_type: 'MARKET', price: '', quote_limit: '3.3' } as const
    expect(await client.put(taker, 'BID', '5', '', market)).toMatchObject({ id: '3', finished_base: '3.0000' })
    expect(await client.balance(maker, 'ETH')).toEqual(['0.000000', '3.000000'])
    expect(await client.balance(maker, 'USDT')).toEqual(['7.700000', '0.000000'])
    expect(await client.balance(taker, 'ETH')).toEqual(['7.000000', '0.000000'])
  })

  it('OrderDetail and OrderQuery, newest first, in pages', async () => {
    const user_id = await client.user({ USDT: '100' })
    const orders = []
    for (const price of ['1', '3', '2']) orders.push(await client.put(user_id, 'BID', '1', price))
    expect(await client.call('OrderDetail', { market: 'ETH_USDT', order_id: '2' })).toEqual(orders[1])
    const page = { user_id, market: 'ETH_USDT', offset: 1, limit: 1 }
    expect(await client.call('OrderQuery', page)).toEqual({ offset: 1, limit: 1, total: 3, orders: [orders[1]] })
    const all = await client.call('OrderQuery', { ...page, offset: 0, limit: 100 })
    expect(all.orders).toEqual(orders.toReversed())
    for (let i = 0; i < 8; i++) await client.put(user_id, 'BID', '1', '1')
    // A client that says no limit gets ten, and is told so.
    const first = await client.call('OrderQuery', { user_id, market: 'ETH_USDT' })
    expect([first.offset, first.limit, first.total, first.orders.length]).toEqual([0, 10, 11, 10])
  })

  it('OrderCancel and OrderCancelAll give the funds back', async () => {
    const user_id = await client.user({ USDT: '100' })
    for (const price of ['1', '2', '3']) await client.put(user_id, 'BID', '10', price)
    const cancelled = await client.call('OrderCancel', { user_id, market: 'ETH_USDT', order_id: '3' })
    expect(cancelled).toMatchObject({ id: '3', remain: '10.0000' })
    expect(await client.balance(user_id, 'USDT')).toEqual(['70.000000', '30.000000'])
    expect(await client.call('OrderCancelAll', { user_id, market: 'ETH_USDT' })).toEqual({ total: 2 })
    expect(await client.balance(user_id, 'USDT')).toEqual(['100.000000', '0.000000'])
  })

  it('OrderBookDepth, exact and merged: asks up, bids down', async () => {
    const [seller, buyer] = [await client.user({ ETH: '100' }), await client.user({ USDT: '100' })]
    for (const price of ['1.11', '1.12', '1.30']) await client.put(seller, 'ASK', '10', price)
    for (const price of ['1.09', '1.01']) await client.put(buyer, 'BID', '10', price)
    expect(await client.call('OrderBookDepth', { market: 'ETH_USDT', limit: 2 })).toEqual({
      asks: ['1.11', '1.12'].map((price) => ({ price, amount: '10.0000' })),
      bids: ['1.09', '1.01'].map((price) => ({ price, amount: '10.0000' })),
    })
    expect(await client.call('OrderBookDepth', { market: 'ETH_USDT', limit: 10, interval: '0.1' })).toEqual({
      asks: [
        { price: '1.20', amount: '20.0000' },
        { price: '1.30', amount: '10.0000' },
      ],
      bids: [{ price: '1.00', amount: '20.0000' }],
    })
  })

  it('MarketSummary', async () => {
    const [seller, buyer] = [await client.user({ ETH: '100' }), await client.user({ USDT: '100' })]
    await client.put(seller, 'ASK', '10', '1.5')
    await client.put(buyer, 'BID', '4', '1.5')
    await client.put(buyer, 'BID', '1', '1.4')
    const eth = { name: 'ETH_USDT', ask_count: 1, ask_amount: '6.0000', bid_count: 1, bid_amount: '1.0000' }
    expect((await client.call('MarketSummary', { markets: ['ETH_USDT'] })).market_summaries).toEqual([
      { ...eth, trade_count: '1' },
    ])
    expect((await client.call('MarketSummary')).market_summaries).toHaveLength(4)
  })

  it('Transfer', async () => {
    const [from, to] = [await client.user({ ETH: '100' }), await client.user()]
    const transfer = { from, to, asset: 'ETH', delta: '30.5', memo: 'rent' }
    expect(await client.call('Transfer', transfer)).toEqual({ success: true, asset: 'ETH', balance_from: '69.500000' })
    expect(await client.balance(to, 'ETH')).toEqual(['30.500000', '0.000000'])
  })
})

describe('what is answered', () => {
  it('is in the log, as it was said and in the order of the ids, and nothing else is', async () => {
    const user_id = await client.user({ USDT: '100' })
    await client.put(user_id, 'BID', '10', '1')
    await client.put(user_id, 'BID', '10', '100').catch(() => undefined)
    await client.call('BalanceQuery', { user_id })
    await client.call('OrderCancelAll', { user_id, market: 'ETH_USDT' })
    const entries: LogEntry[] = []
    const log = new FileOperationLog({ directory: join(server.directory, 'log') })
    for await (const batch of log.read(0n)) entries.push(...batch)
    expect(entries.map(({ id, method }) => `${id} ${method}`)).toEqual([
      '1 register_user',
      '2 balance_update',
      '3 order_put',
      '4 order_cancel_all',
    ])
    const order = { user_id, market: 'ETH_USDT', order_side: 'BID', order_type: 'LIMIT', amount: '10', price: '1' }
    expect(entries[2].params).toEqual(order)
  })

  it('is there after a restart, market orders too though they are no longer accepted, with the same ids and times', async () => {
    const [seller, buyer] = [await client.user({ ETH: '100' }), await client.user({ USDT: '100' })]
    const ask = await client.put(seller, 'ASK', '10', '1.5')
    await client.put(buyer, 'BID', '4', '', { order_type: 'MARKET' })
    const { update_time } = await client.call('OrderDetail', { market: 'ETH_USDT', order_id: ask.id })
    const before = server.digest()
    await server.stop()
    await server.start({ marketOrders: false })
    expect(server.digest()).toBe(before)
    client = server.client()
    expect(await client.call('OrderDetail', { market: 'ETH_USDT', order_id: ask.id })).toEqual({
      ...{ ...ask, update_time, remain: '6.0000', finished_base: '4.0000', finished_quote: '6.000000' },
    })
    const order = client.put(buyer, 'BID', '4', '', { order_type: 'MARKET' })
    await expect(order).rejects.toMatchObject({ details: 'market orders are disabled' })
  })
})

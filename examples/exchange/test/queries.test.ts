import { queryBalances, queryDepth, queryMarkets, queryOrder, queryOrders } from '../queries'
import { TestExchange, refusal } from './helpers'

const RICH = { ETH: '1000', USDT: '1000000', UNI: '1000' }

function bookOf(asks: readonly string[], bids: readonly string[]) {
  const exchange = new TestExchange()
  const [ann, bob] = [exchange.user(RICH), exchange.user(RICH)]
  for (const price of asks) exchange.put(ann, 'ASK', '10', price)
  for (const price of bids) exchange.put(bob, 'BID', '10', price)
  return { exchange, engine: exchange.engine, ann, bob }
}

describe('depth', () => {
  it("carries the market's digits, best prices first", () => {
    const { engine } = bookOf(['1.3', '1.1', '1.1'], ['1', '0.9'])
    expect(queryDepth(engine, 'ETH_USDT', 10)).toEqual({
      asks: [
        { price: '1.10', amount: '20.0000' },
        { price: '1.30', amount: '10.0000' },
      ],
      bids: [
        { price: '1.00', amount: '10.0000' },
        { price: '0.90', amount: '10.0000' },
      ],
    })
  })

  it('ends at the limit', () => {
    const { engine } = bookOf(['1.1', '1.2', '1.3'], [])
    expect(queryDepth(engine, 'ETH_USDT', 2).asks.map((level) => level.price)).toEqual(['1.10', '1.20'])
    expect(queryDepth(engine, 'ETH_USDT', 0).asks).toEqual([])
  })

  it('merges asks up and bids down; the last merged level is whole', () => {
    const { engine } = bookOf(['1.10', '1.11', '1.15', '1.20', '1.21'], ['1.09', '1.05', '1.00', '0.99'])
    expect(queryDepth(engine, 'ETH_USDT', 2, '0.1')).toEqual({
      asks: [
        { price: '1.10', amount: '10.0000' },
        { price: '1.20', amount: '30.0000' },
      ],
      bids: [
        { price: '1.00', amount: '30.0000' },
        { price: '0.90', amount: '10.0000' },
      ],
    })
    expect(queryDepth(engine, 'ETH_USDT', 5, '1000000').asks).toEqual([{ price: '1000000.00', amount: '50.0000' }])
    expect(queryDepth(engine, 'ETH_USDT', 5, '1000000').bids).toEqual([{ price: '0.00', amount: '40.0000' }])
    expect(queryDepth(engine, 'ETH_USDT', 5, '0.00').asks).toHaveLength(5)
  })

  it('follows trades and cancellations', () => {
    const { exchange, engine, ann, bob } = bookOf(['1.1', '1.2'], [])
    exchange.put(bob, 'BID', '14.5', '1.2')
    expect(queryDepth(engine, 'ETH_USDT', 9).asks).toEqual([{ price: '1.20', amount: '5.5000' }])
    exchange.apply('order_cancel', { user_id: ann, market: 'ETH_USDT', order_id: 2 })
    expect(queryDepth(engine, 'ETH_USDT', 9).asks).toEqual([])
  })

  it.each([
    ['X', 1, '', 'invalid market'],
    ['ETH_USDT', -1, '', 'invalid limit'],
    ['ETH_USDT', 1.5, '', 'invalid limit'],
    ['ETH_USDT', 1, '-1', 'invalid interval'],
    ['ETH_USDT', 1, '0.001', 'invalid interval precision'],
  ])('refuses (%s, %d, "%s")', (market, limit, interval, message) => {
    const { engine } = bookOf([], [])
    expect(refusal(() => queryDepth(engine, market, limit, interval))).toBe(`INVALID_ARGUMENT ${message}`)
  })
})

describe('orders', () => {
  it('of a user come newest first, by offset and limit', () => {
    const { exchange, engine, ann } = bookOf(['1.5', '1.4', '1.3'], [])
    exchange.put(ann, 'ASK', '1', '5', { market: 'UNI_USDT' })
    const ids = (offset: number, limit: number) => {
      const { total, orders } = queryOrders(engine, { userId: ann, market: 'ETH_USDT', offset, limit })
      return [total, orders.map((order) => order.id)]
    }
    expect(ids(0, 10)).toEqual([3, [3, 2, 1]])
    expect(ids(1, 1)).toEqual([3, [2]])
    expect(ids(3, 5)).toEqual([3, []])
    expect(ids(1, 0)).toEqual([3, [2, 1]])
    expect(refusal(() => ids(-1, 5))).toBe('INVALID_ARGUMENT invalid offset')
    expect(refusal(() => ids(0, -5))).toBe('INVALID_ARGUMENT invalid limit')
  })

  it('are known as long as they are open', () => {
    const { exchange, engine, bob } = bookOf(['1.1'], [])
    expect(queryOrder(engine, 'ETH_USDT', '1')).toMatchObject({ id: 1, price: '1.10', remain: '10.0000' })
    exchange.put(bob, 'BID', '10', '1.1')
    expect(refusal(() => queryOrder(engine, 'ETH_USDT', 1))).toBe('INVALID_ARGUMENT invalid order_id')
    expect(refusal(() => queryOrder(engine, 'ETH_USDT', 2))).toBe('INVALID_ARGUMENT invalid order_id')
  })
})

it('balances of some assets or of all', () => {
  const { engine, bob } = bookOf([], ['1.1'])
  expect(queryBalances(engine, bob, ['USDT'])).toEqual([
    { asset_id: 'USDT', available: '999989.000000', frozen: '11.000000' },
  ])
  const assets = queryBalances(engine, bob).map((balance) => balance.asset_id)
  expect(assets).toEqual(['ETH', 'USDT', 'UNI', 'LINK', 'YFI', 'MATIC'])
  expect(refusal(() => queryBalances(engine, bob, ['BTC']))).toBe('INVALID_ARGUMENT invalid asset')
  expect(refusal(() => queryBalances(engine, 7))).toBe('INVALID_ARGUMENT invalid user')
})

it('market summaries count orders, amounts and trades', () => {
  const { exchange, engine, bob } = bookOf(['1.1', '1.2'], ['1', '1'])
  exchange.put(bob, 'BID', '4', '1.1')
  expect(queryMarkets(engine, ['ETH_USDT'])).toEqual([
    {
      ...{ name: 'ETH_USDT', ask_count: 2, ask_amount: '16.0000', bid_count: 2, bid_amount: '20.0000' },
      trade_count: 1,
    },
  ])
  expect(queryMarkets(engine)).toHaveLength(4)
  expect(refusal(() => queryMarkets(engine, ['X']))).toBe('INVALID_ARGUMENT invalid market')
})

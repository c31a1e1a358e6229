import type { Operation, OperationParams } from '../operations'

/**
 * The rules once more, as slow and as plain as possible: orders in an array, sorted anew for every trade; balances in a
 * map; all numbers bigints in millionths. The engine is compared with it.
 */

const SCALE = 1_000_000n

export interface ModelOrder {
  id: number
  user: number
  market: string
  side: 'ASK' | 'BID'
  type: 'LIMIT' | 'MARKET'
  price: bigint
  amount: bigint
  remain: bigint
  quote: bigint
  postOnly: boolean
  createTime: number
  updateTime: number
}

export interface ModelTrade {
  id: number
  price: string
  amount: string
  quote: string
  ask: number
  bid: number
}

export type ModelOutcome =
  | { refused: string }
  | { order: ModelOrder; trades: ModelTrade[] }
  | { total: number }
  | { success: boolean }
  | { user: number }
  | Record<string, never>

export class Model {
  orders: ModelOrder[] = []
  users = 0
  tradeId = 0
  readonly balances = new Map<string, bigint>()
  private orderId = 0
  private readonly seen = new Set<string>()

  constructor(
    private readonly markets: readonly string[],
    private readonly assets: readonly string[],
  ) {}

  apply(operation: Operation): ModelOutcome {
    switch (operation.method) {
      case 'register_user':
        return { user: ++this.users }
      case 'balance_update':
        return this.update(operation.params)
      case 'order_put':
        return this.put(operation.params, operation.time)
      case 'order_cancel':
        return this.cancel(operation.params, operation.time)
      case 'order_cancel_all':
        return this.cancelAll(operation.params)
      case 'transfer':
        return this.transfer(operation.params)
    }
  }

  available(user: number, asset: string): bigint {
    return this.balances.get(`${user} ${asset}`) ?? 0n
  }

  /** What the open orders of a user need of an asset. */
  frozen(user: number, asset: string): bigint {
    let sum = 0n
    for (const order of this.orders.filter((one) => one.user === user)) {
      const [base, quote] = order.market.split('_')
      if (order.side === 'ASK' && base === asset) sum += order.remain
      if (order.side === 'BID' && quote === asset) sum += (order.remain * order.price) / SCALE
    }
    return sum
  }

  /** Resting orders of one side by priority. */
  book(market: string, side: 'ASK' | 'BID'): ModelOrder[] {
    const better = (a: ModelOrder, b: ModelOrder) => Number(side === 'ASK' ? a.price - b.price : b.price - a.price)
    return this.orders
      .filter((order) => order.market === market && order.side === side)
      .sort((a, b) => better(a, b) || a.id - b.id)
  }

  private update(params: OperationParams['balance_update']): ModelOutcome {
    const { user_id, asset, business, business_id, delta } = params
    if (!this.known(user_id) || !this.assets.includes(asset)) return { refused: 'INVALID_ARGUMENT' }
    const key = JSON.stringify([user_id, asset, business, business_id])
    if (this.seen.has(key)) return { refused: 'ALREADY_EXISTS' }
    if (this.available(user_id, asset) + parse(delta) < 0n) return { refused: 'FAILED_PRECONDITION' }
    this.seen.add(key)
    this.add(user_id, asset, parse(delta))
    return {}
  }

  private put(params: OperationParams['order_put'], time: number): ModelOutcome {
    const { user_id: user, market, order_side: side, order_type: type } = params
    if (!this.known(user) || !this.markets.includes(market)) return { refused: 'INVALID_ARGUMENT' }
    const amount = parse(params.amount)
    const price = parse(params.price ?? '0')
    if (amount < 1000n || (type === 'LIMIT') !== price > 0n) return { refused: 'INVALID_ARGUMENT' }
    const [base, quoteAsset] = market.split('_') as [string, string]
    const funds = this.available(user, side === 'ASK' ? base : quoteAsset)
    const cost = side === 'ASK' ? amount : (amount * price) / SCALE
    const affordable = side === 'BID' && type === 'MARKET' ? funds > 0n : cost <= funds
    if (!affordable) return { refused: 'FAILED_PRECONDITION' }
    const limit = parse(params.quote_limit ?? '0')
    const postOnly = params.post_only === true
    const order: ModelOrder = {
      ...{ id: ++this.orderId, user, market, side, type, price, amount, remain: amount, quote: 0n, postOnly },
      ...{ createTime: time, updateTime: time },
    }
    return this.match(order, limit > 0n && limit < funds ? limit : funds)
  }

  private match(order: ModelOrder, spendable: bigint): ModelOutcome {
    const trades: ModelTrade[] = []
    let spent = 0n
    let rests = order.type === 'LIMIT'
    while (order.remain > 0n) {
      const maker = this.book(order.market, order.side === 'ASK' ? 'BID' : 'ASK')[0]
      if (maker === undefined || !meets(order, maker)) break
      if (order.postOnly || maker.user === order.user) {
        rests = false
        break
      }
      let amount = order.remain < maker.remain ? order.remain : maker.remain
      if (order.type === 'MARKET' && order.side === 'BID') {
        // A ten-thousandth is the smallest step of an amount.
        const most = (((spendable - spent) * SCALE) / maker.price / 100n) * 100n
        if (most < amount) amount = most
        if (amount === 0n) break
      }
      spent += (amount * maker.price) / SCALE
      trades.push(this.trade(order, maker, amount))
    }
    if (rests && order.remain > 0n) this.rest(order)
    return { order, trades }
  }

  private rest(order: ModelOrder): void {
    this.orders.push(order)
    this.add(order.user, this.frozenAsset(order), -needed(order))
  }

  private trade(taker: ModelOrder, maker: ModelOrder, amount: bigint): ModelTrade {
    const quote = (amount * maker.price) / SCALE
    const [ask, bid] = taker.side === 'ASK' ? [taker, maker] : [maker, taker]
    const [base, quoteAsset] = taker.market.split('_') as [string, string]
    // What the maker gives was taken from its available balance when it came to rest.
    this.add(taker.user, taker.side === 'ASK' ? base : quoteAsset, taker.side === 'ASK' ? -amount : -quote)
    this.add(ask.user, quoteAsset, quote)
    this.add(bid.user, base, amount)
    for (const order of [taker, maker]) {
      order.remain -= amount
      order.quote += quote
      order.updateTime = taker.createTime
    }
    this.orders = this.orders.filter((order) => order.remain > 0n)
    const id = ++this.tradeId
    return {
      id,
      price: format(maker.price, 2),
      amount: format(amount, 4),
      quote: format(quote, 6),
      ask: ask.id,
      bid: bid.id,
    }
  }

  private cancel(params: OperationParams['order_cancel'], time: number): ModelOutcome {
    const order = this.orders.find((one) => one.id === params.order_id && one.market === params.market)
    if (order === undefined || order.user !== params.user_id) return { refused: 'INVALID_ARGUMENT' }
    this.remove(order)
    order.updateTime = time
    return { order, trades: [] }
  }

  private cancelAll(params: OperationParams['order_cancel_all']): ModelOutcome {
    if (!this.known(params.user_id) || !this.markets.includes(params.market)) return { refused: 'INVALID_ARGUMENT' }
    const orders = this.orders.filter((order) => order.user === params.user_id && order.market === params.market)
    for (const order of orders) this.remove(order)
    return { total: orders.length }
  }

  private transfer(params: OperationParams['transfer']): ModelOutcome {
    const { from, to, asset } = params
    if (!this.known(from) || !this.known(to) || !this.assets.includes(asset)) return { refused: 'INVALID_ARGUMENT' }
    const delta = parse(params.delta)
    const success = from !== to && delta > 0n && delta <= this.available(from, asset)
    if (success) {
      this.add(from, asset, -delta)
      this.add(to, asset, delta)
    }
    return { success }
  }

  private remove(order: ModelOrder): void {
    this.orders = this.orders.filter((one) => one !== order)
    this.add(order.user, this.frozenAsset(order), needed(order))
  }

  private frozenAsset(order: ModelOrder): string {
    return order.market.split('_')[order.side === 'ASK' ? 0 : 1]
  }

  private add(user: number, asset: string, units: bigint): void {
    this.balances.set(`${user} ${asset}`, this.available(user, asset) + units)
  }

  private known(user: number): boolean {
    return user >= 1 && user <= this.users
  }
}

function meets(taker: ModelOrder, maker: ModelOrder): boolean {
  if (taker.type === 'MARKET') return true
  return taker.side === 'ASK' ? maker.price >= taker.price : maker.price <= taker.price
}

function needed(order: ModelOrder): bigint {
  return order.side === 'ASK' ? order.remain : (order.remain * order.price) / SCALE
}

/** Millionths of a decimal with at most six digits after the point. */
function parse(text: string): bigint {
  const [whole = '0', fraction = ''] = text.replace('-', '').split('.')
  const units = BigInt(whole) * SCALE + BigInt(fraction.padEnd(6, '0'))
  return text.startsWith('-') ? -units : units
}

export function format(units: bigint, digits: number): string {
  return `${units / SCALE}.${(units % SCALE).toString().padStart(6, '0').slice(0, digits)}`
}

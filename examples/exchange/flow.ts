import { formatDecimal } from './decimal'
import type { Engine } from './engine'
import type { Market } from './market'
import type { Order } from './order'
import type { Operation, OperationOf, OperationParams, Method } from './operations'
import { Random } from './random'
import type { RandomState } from './random'
import { OPEN_ORDERS_MAX } from './user'
import type { User } from './user'

/**
 * Who acts, and which orders are cancelled. `'even'`: every user as often as any other, and an order as likely however old
 * it is, so that each part of the state changes as often as any. `'lively'`, as on real markets: a few users are the most
 * active ones (the n-th about in proportion to 1/n), and what is cancelled is mostly young (the n-th youngest of the user's
 * orders about in proportion to 1/n), the more so as most orders last for seconds only.
 */
export type FlowPattern = 'even' | 'lively'

/** What a flow has to remember between two runs, as JSON. */
export interface FlowState {
  readonly random: RandomState
  /** Id of the last operation. */
  readonly operationId: number
  /** Number of the last balance update. */
  readonly businessId: number
  /** Resting orders that the flow keeps up. */
  readonly targetOrders: number
  /** `'even'` if it is not there. */
  readonly pattern?: FlowPattern
}

/** Orders per user that filling aims at: half of what is allowed, so that trading has room. */
const ORDERS_PER_USER = 500
/** Value of one order, in whole units of quote. */
const VALUE_MIN = 5
const VALUE_MAX = 25
/** What a user is given of every market's base (by value) and of each quote asset, in whole units of quote. */
const BASE_VALUE = 10_000
const QUOTE_FUNDS = 20_000
/** Price around which each market trades, in whole units of quote; markets without an entry trade at 10. */
const MIDDLE_PRICES: Readonly<Record<string, number>> = { ETH: 2000, UNI: 10, LINK: 15, MATIC: 1 }
/** Orders rest at most this far from the middle price. */
const SPREAD = 0.3
/** Parts of a thousand operations. Orders that rest and cancellations share what is left over. */
const PER_MILLE = { crossing: 250, balanceUpdate: 5, transfer: 5 }

/**
 * A random but reproducible flow of operations: the same seed, the same engine and the same times give the same
 * operations. It draws all it needs from its own generator and the engine's state, so that it can go on with an
 * engine that was restored, from a `FlowState` that was saved with it. It never proposes what the engine would refuse.
 */
export class Flow {
  private readonly random: Random
  private readonly markets: readonly Market[]
  private operationId: number
  private businessId: number
  private targetOrders: number
  private readonly pattern: FlowPattern

  constructor(
    private readonly engine: Engine,
    start: { readonly seed: number; readonly pattern?: FlowPattern } | FlowState,
  ) {
    this.pattern = start.pattern ?? 'even'
    const resumed = 'random' in start
    this.random = resumed ? new Random(start.random) : Random.seeded(start.seed)
    this.operationId = resumed ? start.operationId : 0
    this.businessId = resumed ? start.businessId : 0
    this.targetOrders = resumed ? start.targetOrders : engine.openOrders.size
    this.markets = [...engine.markets.values()]
  }

  get state(): FlowState {
    const { operationId, businessId, targetOrders, pattern } = this
    const state = { random: this.random.state, operationId, businessId, targetOrders }
    return pattern === 'even' ? state : { ...state, pattern }
  }

  /**
   * Fills the books with `count` more resting orders, bids below the middle price and asks above, for as many new users
   * as they need, and makes the new total the size that `next` keeps up. `time` in milliseconds, for all of them.
   */
  fillBooks(count: number, time: number): void {
    for (const _ of this.filling(count, time)) continue
  }

  /** Like `fillBooks`, one operation at a time; yields how many orders are done before each, and at the end. */
  *filling(count: number, time: number): Generator<number, void, undefined> {
    for (let done = 0; done < count;) {
      const user = yield* this.addingUser(time, done)
      const orders = Math.min(ORDERS_PER_USER, count - done)
      for (let i = 0; i < orders; i++) {
        yield done
        const market = this.markets[done++ % this.markets.length]
        this.apply('order_put', this.restingOrder(user, market), time)
        this.targetOrders = this.engine.openOrders.size
      }
    }
    yield count
  }

  /** Proposes the next operation and applies it; returns it. There must be a user, see `fillBooks`. */
  next(time: number): Operation {
    const operation = this.propose(time)
    this.engine.apply(operation)
    return operation
  }

  /** The next operation. It has to be applied before the one after it is asked for. */
  propose(time: number): Operation {
    const user = this.anyUser()
    const market = this.pick(this.markets)
    const choice = this.random.below(1000)
    if (choice < PER_MILLE.balanceUpdate) return this.balanceUpdate(user, market, time)
    if (choice < PER_MILLE.balanceUpdate + PER_MILLE.transfer) return this.transfer(user, market, time)
    if (choice < PER_MILLE.balanceUpdate + PER_MILLE.transfer + PER_MILLE.crossing)
      return this.crossing(user, market, time)
    // Whichever of the two brings the books back to their size: about as many of both, and one more put for each trade.
    const cancel = this.engine.openOrders.size > this.targetOrders
    return cancel ? this.cancel(user, market, time) : this.put(user, this.restingOrder(user, market), time)
  }

  private crossing(user: User, market: Market, time: number): Operation {
    const side = this.random.below(2) === 0 ? 'ASK' : 'BID'
    const best = market.book(side === 'ASK' ? 'BID' : 'ASK').best
    if (best === null) return this.put(user, this.restingOrder(user, market), time)
    return this.put(user, this.orderAt(user, market, side, best.price), time)
  }

  private restingOrder(user: User, market: Market): OperationParams['order_put'] {
    const side = this.random.below(2) === 0 ? 'ASK' : 'BID'
    const middle = middlePrice(market)
    const distance = 1 + Math.floor(this.random.fraction() * this.random.fraction() * middle * SPREAD)
    return this.orderAt(user, market, side, side === 'ASK' ? middle + distance : middle - distance)
  }

  private orderAt(user: User, market: Market, side: Order['side'], price: number): OperationParams['order_put'] {
    const { amountPrecision, pricePrecision, name } = market.config
    const value = this.random.between(VALUE_MIN * 100, VALUE_MAX * 100) / 100
    const wanted = Math.floor((value * 10 ** (amountPrecision + pricePrecision)) / price)
    return {
      user_id: user.id,
      market: name,
      order_side: side,
      order_type: 'LIMIT',
      amount: formatDecimal(Math.max(wanted, market.figures.minAmountUnits), amountPrecision),
      price: formatDecimal(price, pricePrecision),
    }
  }

  /** The order, if its user has room and funds for it; otherwise what makes room or brings funds. */
  private put(user: User, params: OperationParams['order_put'], time: number): Operation {
    const market = this.engine.market(params.market)
    if (user.orderCount >= OPEN_ORDERS_MAX) return this.cancel(user, market, time)
    const asset = params.order_side === 'ASK' ? market.figures.base : market.figures.quote
    const needed = params.order_side === 'ASK' ? fundsOf(market).base / 100 : fundsOf(market).quote / 100
    if (this.engine.balances.available(user.id, asset.index) < needed) return this.balanceUpdate(user, market, time)
    return this.operation('order_put', params, time)
  }

  private cancel(user: User, market: Market, time: number): Operation {
    if (user.orderCount === 0) return this.balanceUpdate(user, market, time)
    const place = this.rank(user.orderCount)
    const order = user.orderAt(this.pattern === 'even' ? place : user.orderCount - 1 - place)
    const params = { user_id: user.id, market: order.market.config.name, order_id: order.id }
    return this.operation('order_cancel', params, time)
  }

  /** A deposit or withdrawal that brings the user back to what everybody got at first, of the asset that is farther off. */
  private balanceUpdate(user: User, market: Market, time: number): Operation {
    const { base, quote } = market.figures
    const funds = fundsOf(market)
    const baseOff = funds.base - this.engine.balances.available(user.id, base.index)
    const quoteOff = funds.quote - this.engine.balances.available(user.id, quote.index)
    const useBase = Math.abs(baseOff) / funds.base > Math.abs(quoteOff) / funds.quote
    const asset = useBase ? base : quote
    const delta = formatDecimal(useBase ? baseOff : quoteOff, asset.precision)
    return this.operation('balance_update', this.update(user, asset.symbol, delta), time)
  }

  private transfer(user: User, market: Market, time: number): Operation {
    const { symbol, precision } = market.figures.quote
    const delta = formatDecimal(this.random.between(1, 10) * 10 ** precision, precision)
    return this.operation('transfer', { from: user.id, to: this.anyUser().id, asset: symbol, delta }, time)
  }

  private *addingUser(time: number, done: number): Generator<number, User, undefined> {
    yield done
    this.apply('register_user', {}, time)
    const user = this.engine.users.at(-1) as User
    const funds = new Map<string, string>()
    for (const market of this.markets) {
      const { base, quote } = market.figures
      funds.set(base.symbol, formatDecimal(fundsOf(market).base, base.precision))
      funds.set(quote.symbol, formatDecimal(fundsOf(market).quote, quote.precision))
    }
    for (const [asset, delta] of funds) {
      yield done
      this.apply('balance_update', this.update(user, asset, delta), time)
    }
    return user
  }

  private update(user: User, asset: string, delta: string): OperationParams['balance_update'] {
    return { user_id: user.id, asset, business: 'flow', business_id: ++this.businessId, delta }
  }

  private apply<M extends Method>(method: M, params: OperationParams[M], time: number): void {
    this.engine.apply(this.operation(method, params, time) as OperationOf<M>)
  }

  private operation<M extends Method>(method: M, params: OperationParams[M], time: number): Operation {
    return { id: BigInt(++this.operationId), time, method, params } as Operation
  }

  private anyUser(): User {
    const { users } = this.engine
    return this.some(users)[this.rank(users.length)]
  }

  private pick<T>(items: readonly T[]): T {
    return this.some(items)[this.random.below(items.length)]
  }

  private some<T>(items: readonly T[]): readonly T[] {
    if (items.length === 0) throw new RangeError('the flow needs users and markets: fill the books first')
    return items
  }

  /** From 0 to `count - 1`: as the pattern has it, small ones more often. */
  private rank(count: number): number {
    if (this.pattern === 'even') return this.random.below(count)
    return Math.min(count, Math.floor((count + 1) ** this.random.fraction())) - 1
  }
}

/** In price units. */
function middlePrice(market: Market): number {
  return Math.round((MIDDLE_PRICES[market.config.base] ?? 10) * 10 ** market.config.pricePrecision)
}

/** What a user is given for a market, in units of the assets. */
function fundsOf({ config, figures }: Market): { readonly base: number; readonly quote: number } {
  const price = MIDDLE_PRICES[config.base] ?? 10
  return {
    base: Math.round(BASE_VALUE / price) * 10 ** figures.base.precision,
    quote: QUOTE_FUNDS * 10 ** figures.quote.precision,
  }
}

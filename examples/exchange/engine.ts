import { ArenaOrders } from './arena-orders'
import { Balances } from './balances'
import { formatDecimal, parseDecimal } from './decimal'
import { ExchangeError, invalid, notEnoughBalance } from './errors'
import { checkOrderId, checkText, checkTime, checkU64 } from './input'
import { HeapOrders } from './heap-orders'
import { Market } from './market'
import { ASSETS, MARKETS, indexAssets } from './markets'
import type { Asset, AssetConfig, MarketConfig } from './markets'
import { orderInfo } from './order'
import type { Order } from './order'
import { OrderIndex } from './order-index'
import type { OrderStore } from './order-store'
import type { Method, Operation, OperationOf, OperationParams, OperationResults, UserInfo } from './operations'
import { orderPutResult, putOrder } from './order-put'
import { User, updateKey } from './user'

export interface EngineOptions {
  readonly assets?: readonly AssetConfig[]
  readonly markets?: readonly MarketConfig[]
  /** Whether market orders are accepted. Default false. It is not part of the state. */
  readonly marketOrders?: boolean
  /** Where the resting orders are. Default `'heap'`. What the engine does and says is the same. */
  readonly state?: StateKind
}

/** `'heap'`: objects; `'arena'`: rows of a table outside of V8's heap, which a fork and its child handle faster. */
export type StateKind = (typeof STATE_KINDS)[number]
export const STATE_KINDS = ['heap', 'arena'] as const

const BUSINESS_LENGTH_MAX = 64
const KEY_LENGTH_MAX = 256

/**
 * The exchange in memory. `apply` is the only way in which the state changes: it reads no clock, draws no random
 * number and does no I/O, so that the same operations on the same state give the same state. The fields are public
 * for those who only read (`queries.ts`, `state.ts`, `digest.ts`) and for restoring.
 */
export class Engine {
  readonly assets: ReadonlyMap<string, Asset>
  readonly markets: ReadonlyMap<string, Market>
  /** The same by their index. */
  readonly marketList: readonly Market[]
  /** May be changed between operations. A log replays if this is then what it was, or true and no refusal is in the log. */
  marketOrders: boolean
  readonly balances: Balances
  /** User `id` stands at `id - 1`. */
  readonly users: User[] = []
  readonly orders: OrderStore
  readonly openOrders: OrderIndex
  /** Ids given last; 0 before the first. */
  orderId = 0
  tradeId = 0

  constructor(options: EngineOptions = {}) {
    this.assets = indexAssets(options.assets ?? ASSETS)
    const markets: Market[] = []
    this.marketList = markets
    this.orders = options.state === 'arena' ? new ArenaOrders(this) : new HeapOrders()
    this.openOrders = new OrderIndex(this.orders)
    for (const [index, config] of (options.markets ?? MARKETS).entries()) {
      markets.push(new Market(config, index, this.assets, this.orders))
    }
    this.markets = new Map(markets.map((market) => [market.config.name, market]))
    this.marketOrders = options.marketOrders ?? false
    this.balances = new Balances(this.assets.size)
  }

  /**
   * Applies one operation. Throws an `ExchangeError` for what the rules refuse; the state is then unchanged, down to the
   * ids, so that the log may hold refused operations and replay simply refuses them again.
   */
  apply<M extends Method>(operation: OperationOf<M>): OperationResults[M]
  apply(operation: Operation): OperationResults[Method]
  apply(operation: Operation): OperationResults[Method] {
    const time = checkOperation(operation)
    if (operation.method === 'order_put') return orderPutResult(putOrder(this, operation.params, time))
    if (operation.method === 'order_cancel') return orderInfo(this.cancelOrder(operation.params, time))
    return this.applyOther(operation, time)
  }

  /** Applies an operation of the log: changes and throws the same as `apply`, and makes no answer that nobody waits for. */
  replay(operation: Operation): void {
    const time = checkOperation(operation)
    if (operation.method === 'order_put') putOrder(this, operation.params, time)
    else if (operation.method === 'order_cancel') this.cancelOrder(operation.params, time)
    else this.applyOther(operation, time)
  }

  /** Throws INVALID_ARGUMENT for a user who is not registered. */
  user(id: unknown): User {
    const user = typeof id === 'number' ? this.users[id - 1] : undefined
    if (user === undefined) throw invalid('invalid user')
    return user
  }

  asset(symbol: unknown): Asset {
    const asset = this.assets.get(symbol as string)
    if (asset === undefined) throw invalid('invalid asset')
    return asset
  }

  market(name: unknown): Market {
    const market = this.markets.get(name as string)
    if (market === undefined) throw invalid('invalid market')
    return market
  }

  /** An open order of a market. A finished one is unknown. */
  order(market: Market, id: unknown): Order {
    const order = this.openOrders.get(checkOrderId(id))
    if (order === undefined || order.market !== market) throw invalid('invalid order_id')
    return order
  }

  /** Puts an order into its book and all indexes. Its funds are the caller's part. */
  rest(order: Order): void {
    this.orders.insert(order)
    this.enlist(order)
  }

  /** The same for an order that its store has already. */
  enlist(order: Order): void {
    order.market.book(order.side).add(order)
    order.user.addOrder(order)
    this.openOrders.add(order)
  }

  /** Drops an order that has left its book. */
  finish(order: Order): void {
    order.user.removeOrder(order)
    this.openOrders.remove(order)
    this.orders.remove(order)
  }

  /** Frees what the garbage collector does not. The engine is of no use afterwards. */
  dispose(): void {
    this.orders.dispose()
  }

  private applyOther(
    operation: Exclude<Operation, { method: 'order_put' | 'order_cancel' }>,
    time: number,
  ): OperationResults[Method] {
    switch (operation.method) {
      case 'register_user':
        return this.registerUser(operation.params)
      case 'balance_update':
        return this.updateBalance(operation.params)
      case 'order_cancel_all':
        return this.cancelAllOrders(operation.params, time)
      case 'transfer':
        return this.transfer(operation.params)
      default:
        throw invalid('invalid method')
    }
  }

  private registerUser(params: OperationParams['register_user']): UserInfo {
    const l1Address = checkText(params.l1_address, KEY_LENGTH_MAX, 'l1_address')
    const l2Pubkey = checkText(params.l2_pubkey, KEY_LENGTH_MAX, 'l2_pubkey')
    const user = new User(this.users.length + 1, l1Address, l2Pubkey, this.orders)
    this.users.push(user)
    return { user_id: user.id, l1_address: l1Address, l2_pubkey: l2Pubkey }
  }

  private updateBalance(params: OperationParams['balance_update']): OperationResults['balance_update'] {
    const user = this.user(params.user_id)
    const { symbol, index, precision } = this.asset(params.asset)
    const business = checkText(params.business, BUSINESS_LENGTH_MAX, 'business')
    const key = updateKey({ asset: symbol, businessId: checkU64(params.business_id, 'business_id'), business })
    const delta = parseDecimal(params.delta, precision, 'delta')
    if (user.hasSeen(key)) throw new ExchangeError('ALREADY_EXISTS', 'duplicate balance update')
    if (this.balances.available(user.id, index) + delta < 0) throw notEnoughBalance()
    if (!this.balances.canDeposit(index, delta)) throw invalid('delta exceeds the supply that the asset can have')
    this.balances.deposit(user.id, index, delta)
    user.remember(key)
    return {}
  }

  private cancelOrder(params: OperationParams['order_cancel'], time: number): Order {
    const user = this.user(params.user_id)
    const order = this.order(this.market(params.market), params.order_id)
    if (order.user !== user) throw invalid('invalid user')
    this.withdraw(order, time)
    return order
  }

  private cancelAllOrders(params: OperationParams['order_cancel_all'], time: number): { readonly total: number } {
    const user = this.user(params.user_id)
    const market = this.market(params.market)
    const orders = user.orders.filter((order) => order.market === market)
    for (const order of orders) this.withdraw(order, time)
    return { total: orders.length }
  }

  /** Takes a resting order out and gives its funds back. */
  private withdraw(order: Order, time: number): void {
    const { base, quote } = order.market.figures
    const asset = order.side === 'ASK' ? base : quote
    this.balances.freeze(order.user.id, asset.index, -order.frozen)
    order.market.book(order.side).remove(order)
    this.finish(order)
    order.updateTime = time
  }

  /** Whatever cannot be moved is told by `success: false`; only an unknown user or asset is an error. */
  private transfer(params: OperationParams['transfer']): OperationResults['transfer'] {
    const from = this.user(params.from)
    const to = this.user(params.to)
    const { symbol, index, precision } = this.asset(params.asset)
    const delta = positiveOrZero(params.delta, precision)
    const success = delta > 0 && from !== to && delta <= this.balances.available(from.id, index)
    if (success) {
      this.balances.addAvailable(from.id, index, -delta)
      this.balances.addAvailable(to.id, index, delta)
    }
    const balance = this.balances.available(from.id, index)
    return { success, asset: symbol, balance_from: formatDecimal(balance, precision) }
  }
}

/** The operation's time. */
function checkOperation({ time, params }: Operation): number {
  const checked = checkTime(time)
  if (typeof params !== 'object' || params === null) throw invalid('invalid params')
  return checked
}

/** The units of a decimal; 0 for what is none, is negative or does not fit. */
function positiveOrZero(text: unknown, digits: number): number {
  try {
    return Math.max(0, parseDecimal(text, digits, 'delta'))
  } catch (error) {
    if (error instanceof ExchangeError) return 0
    throw error
  }
}

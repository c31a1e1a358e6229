import { MARKETS } from '../markets'
import { Random } from '../random'
import type { Requests, Rpc } from '../server/wire'
import type { Account } from './account'
import * as check from './checks'
import type { Outcome } from './client'
import { Ids } from './ids'
import type { Mix } from './options'
import { crossingOrder, FUNDS_VALUE, QUOTE, restingOrder, type PutRequest } from './orders'

/** A request, and what is made of its answer: what is wrong with it in words, or undefined. */
export interface Call {
  readonly connection: number
  readonly rpc: Rpc
  readonly request: object
  readonly settle: (outcome: Outcome) => string | undefined
}

/** Below what the server allows, since orders that are on their way do not count yet. */
const OPEN_ORDERS_MAX = 900
const DEPTH_LIMIT = 20
const LIST_LIMIT = 10
const QUERIED_ASSETS = ['USDT', 'ETH', 'MATIC']

/**
 * Parts of a thousand requests; orders that rest have what is left over: about as many as leave the books, since each one
 * that crosses takes one, and every fourth cancellation comes too late.
 */
const PER_MILLE = {
  crossing: 235,
  cancel: 235,
  balances: 50,
  depth: 20,
  list: 10,
  detail: 10,
  transfer: 5,
  deposit: 5,
  repeatedDeposit: 5,
  finishedCancel: 5,
  poorOrder: 5,
  unpreciseOrder: 5,
} as const

type Kind = keyof typeof PER_MILLE | 'resting'

/** How a cancellation or a look may end: somebody may have taken the order meanwhile. */
const GONE = 'INVALID_ARGUMENT'

/**
 * What the users do, one request after the other, drawn from a generator: the same seed and the same answers give the same
 * requests. It knows how each has to end; the questions for which that is an error are in here too.
 */
export class LoadFlow {
  readonly ids = new Ids()
  /** What was deposited beyond the starting funds, in whole units of quote. */
  deposited = 0
  private readonly random: Random
  private readonly makers: Readonly<Record<Kind, (account: Account) => Call>> = {
    resting: (account) => this.put(account, restingOrder(this.random, account.id)),
    crossing: (account) => this.put(account, crossingOrder(this.random, account.id)),
    cancel: (account) => this.cancel(account),
    balances: (account) => this.balances(account),
    depth: (account) => this.depth(account),
    list: (account) => this.list(account),
    detail: (account) => this.detail(account),
    transfer: (account) => this.transfer(account),
    deposit: (account) => this.deposit(account),
    repeatedDeposit: (account) => this.repeatedDeposit(account),
    finishedCancel: (account) => this.finishedCancel(account),
    poorOrder: (account) => this.poorOrder(account),
    unpreciseOrder: (account) => this.unpreciseOrder(account),
  }

  constructor(
    private readonly accounts: readonly Account[],
    private readonly mix: Mix,
    seed: number,
    private businessId: number,
  ) {
    this.random = Random.seeded(seed)
  }

  next(): Call {
    const account = this.anyAccount()
    if (this.mix === 'orders') return this.makers[this.random.below(2) === 0 ? 'resting' : 'crossing'](account)
    return this.makers[this.kind()](account)
  }

  /** An order that rests, for prefilling. */
  resting(account: Account): Call {
    return this.makers.resting(account)
  }

  private kind(): Kind {
    let choice = this.random.below(1000)
    for (const [kind, part] of Object.entries(PER_MILLE)) {
      if ((choice -= part) < 0) return kind as Kind
    }
    return 'resting'
  }

  private anyAccount(): Account {
    return this.accounts[this.random.below(this.accounts.length)]
  }

  private call<R extends Rpc>(
    { connection }: Account,
    rpc: R,
    request: Partial<Requests[R]>,
    settle: (outcome: Outcome) => string | undefined,
  ): Call {
    return { connection, rpc, request, settle }
  }

  /** A call that has to end with OK. */
  private sure<R extends Rpc>(
    account: Account,
    rpc: R,
    request: Partial<Requests[R]>,
    verify: check.Check<Outcome['response']>,
  ) {
    return this.call(
      account,
      rpc,
      request,
      (outcome) => check.unexpected(rpc, outcome, 'OK') ?? verify(outcome.response),
    )
  }

  /** A call that has to end with an error. */
  private refused<R extends Rpc>(account: Account, rpc: R, request: Partial<Requests[R]>, status: string): Call {
    return this.call(account, rpc, request, (outcome) => check.unexpected(rpc, outcome, status))
  }

  private put(account: Account, request: PutRequest): Call {
    if (this.mix === 'trade' && account.openOrders >= OPEN_ORDERS_MAX) return this.cancel(account)
    const floor = this.ids.newest
    return this.sure(account, 'OrderPut', request, (response) => {
      const id = Number(response.id)
      const wrong = this.ids.take(id, floor) ?? check.checkPut(response, request)
      if (wrong !== undefined) return wrong
      const order = { id, market: request.market }
      if (/[1-9]/.test(String(response.remain))) account.opened(order)
      else account.finished = order
      return undefined
    })
  }

  private cancel(account: Account): Call {
    if (account.openOrders === 0) return this.put(account, restingOrder(this.random, account.id))
    const order = account.take(this.random)
    const request = { user_id: account.id, market: order.market, order_id: String(order.id) }
    return this.call(account, 'OrderCancel', request, (outcome) => {
      const wrong = check.unexpected('OrderCancel', outcome, 'OK', GONE)
      if (wrong !== undefined) return wrong
      account.finished = order
      return outcome.status === 'OK'
        ? check.checkOrder('OrderCancel', outcome.response, asked(account, order))
        : undefined
    })
  }

  private detail(account: Account): Call {
    if (account.openOrders === 0) return this.balances(account)
    const order = account.look(this.random)
    const request = { market: order.market, order_id: String(order.id) }
    return this.call(account, 'OrderDetail', request, (outcome) => {
      const wrong = check.unexpected('OrderDetail', outcome, 'OK', GONE)
      if (wrong !== undefined || outcome.status !== 'OK') return wrong
      return check.checkOrder('OrderDetail', outcome.response, asked(account, order))
    })
  }

  private finishedCancel(account: Account): Call {
    const order = account.finished
    if (order === undefined) return this.balances(account)
    const request = { user_id: account.id, market: order.market, order_id: String(order.id) }
    return this.refused(account, 'OrderCancel', request, GONE)
  }

  private balances(account: Account): Call {
    const request = { user_id: account.id, assets: QUERIED_ASSETS }
    return this.sure(account, 'BalanceQuery', request, (response) => check.checkBalances(response, QUERIED_ASSETS))
  }

  private depth(account: Account): Call {
    const request = { market: this.anyMarket(), limit: DEPTH_LIMIT, interval: '' }
    return this.sure(account, 'OrderBookDepth', request, (response) => check.checkDepth(response, DEPTH_LIMIT))
  }

  private list(account: Account): Call {
    const request = { user_id: account.id, market: this.anyMarket(), offset: 0, limit: LIST_LIMIT }
    return this.sure(account, 'OrderQuery', request, (response) => check.checkList(response, request))
  }

  private transfer(account: Account): Call {
    const to = this.anyAccount()
    if (to === account) return this.balances(account)
    const request = { from: account.id, to: to.id, asset: QUOTE, delta: String(this.random.between(1, 10)) }
    return this.sure(account, 'Transfer', request, (response) => check.checkTransfer(response, request))
  }

  private deposit(account: Account): Call {
    const amount = this.random.between(1, 10)
    const request = this.depositRequest(account, ++this.businessId, String(amount))
    return this.sure(account, 'BalanceUpdate', request, () => {
      this.deposited += amount
      return undefined
    })
  }

  /** The user's starting deposit once more: who has seen it must say so. */
  private repeatedDeposit(account: Account): Call {
    return this.refused(account, 'BalanceUpdate', this.depositRequest(account, account.id, '1'), 'ALREADY_EXISTS')
  }

  private depositRequest(account: Account, businessId: number, delta: string): Requests['BalanceUpdate'] {
    const business_id = String(businessId)
    return { user_id: account.id, asset: QUOTE, business: 'load', business_id, delta, detail: '{}' }
  }

  private poorOrder(account: Account): Call {
    const request = { ...restingOrder(this.random, account.id), amount: String(FUNDS_VALUE), price: '10000' }
    return this.refused(account, 'OrderPut', { ...request, order_side: 'BID' }, 'FAILED_PRECONDITION')
  }

  private unpreciseOrder(account: Account): Call {
    const request = { ...restingOrder(this.random, account.id), amount: '1.00001' }
    return this.refused(account, 'OrderPut', request, 'INVALID_ARGUMENT')
  }

  private anyMarket(): string {
    return MARKETS[this.random.below(MARKETS.length)].name
  }
}

function asked({ id: userId }: Account, { id, market }: { id: number; market: string }) {
  return { id, userId, market }
}

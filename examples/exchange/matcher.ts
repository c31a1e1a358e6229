import type { Balances } from './balances'
import type { Market } from './market'
import type { Order } from './order'
import type { OrderStore } from './order-store'

/** What one meeting of two orders came to, in units. */
export interface Trade {
  readonly id: number
  readonly market: Market
  readonly taker: Order
  readonly maker: Order
  readonly amount: number
  readonly quote: number
  readonly time: number
}

/** Where the matcher reads and leaves its results: the engine. */
export interface MatchingState {
  readonly balances: Balances
  readonly orders: OrderStore
  /** Id of the last trade. */
  tradeId: number
  /** Called for a resting order that is fully traded and has left its book. */
  finish(order: Order): void
}

export interface MatchOutcome {
  readonly trades: readonly Trade[]
  /** The order met its own user, or is post-only and would have traded: what remains is not to rest. */
  readonly cancelled: boolean
}

const NO_TRADES: readonly Trade[] = []

/**
 * Trades an arriving order against the other side, best price first, oldest first, each time at the resting order's
 * price. `quoteLimit`, in quote units, bounds what a market bid spends; a limit bid must have its whole value available.
 */
export function match(state: MatchingState, taker: Order, quoteLimit: number): MatchOutcome {
  const { market } = taker
  const makers = market.book(taker.side === 'ASK' ? 'BID' : 'ASK')
  let trades: Trade[] | null = null
  let cancelled = false
  let quoteLeft = quoteLimit
  while (taker.remain > 0 && makers.best !== null && crosses(taker, makers.best.price)) {
    const maker = makers.first as Order
    if (taker.postOnly || maker.user === taker.user) {
      cancelled = true
      break
    }
    const amount = tradable(taker, maker, quoteLeft)
    if (amount === 0) break
    const trade = execute(state, taker, maker, amount)
    quoteLeft -= trade.quote
    trades ??= []
    trades.push(trade)
  }
  return { trades: trades ?? NO_TRADES, cancelled }
}

function crosses(taker: Order, price: number): boolean {
  return taker.type === 'MARKET' || (taker.side === 'ASK' ? price >= taker.price : price <= taker.price)
}

/** Amount that the two can trade; for a market bid no more than what is left to spend buys, rounded down. */
function tradable(taker: Order, maker: Order, quoteLeft: number): number {
  const amount = Math.min(taker.remain, maker.remain)
  if (taker.type === 'LIMIT' || taker.side === 'ASK') return amount
  return Math.min(amount, Math.floor(quoteLeft / (maker.price * taker.market.figures.quoteUnitsPerValue)))
}

function execute(state: MatchingState, taker: Order, maker: Order, amount: number): Trade {
  const { market, createTime: time } = taker
  const quote = amount * maker.price * market.figures.quoteUnitsPerValue
  settle(state.balances, taker, maker, amount, quote)
  taker.remain -= amount
  taker.finishedQuote += quote
  market.book(maker.side).reduce(maker, amount)
  maker.finishedQuote += quote
  maker.updateTime = time
  if (maker.remain === 0) {
    market.book(maker.side).remove(maker)
    state.finish(maker)
  } else {
    state.orders.changed(maker)
  }
  market.tradeCount++
  state.tradeId++
  return { id: state.tradeId, market, taker, maker, amount, quote, time }
}

/** Moves base to the bidder and quote to the asker: the maker's part was frozen, the taker's is available. */
function settle(balances: Balances, taker: Order, maker: Order, amount: number, quote: number): void {
  const { base, quote: quoteAsset, baseUnitsPerAmount } = taker.market.figures
  const baseUnits = amount * baseUnitsPerAmount
  if (taker.side === 'ASK') {
    balances.addAvailable(taker.user.id, base.index, -baseUnits)
    balances.spendFrozen(maker.user.id, quoteAsset.index, quote)
    balances.addAvailable(taker.user.id, quoteAsset.index, quote)
    balances.addAvailable(maker.user.id, base.index, baseUnits)
  } else {
    balances.addAvailable(taker.user.id, quoteAsset.index, -quote)
    balances.spendFrozen(maker.user.id, base.index, baseUnits)
    balances.addAvailable(taker.user.id, base.index, baseUnits)
    balances.addAvailable(maker.user.id, quoteAsset.index, quote)
  }
}

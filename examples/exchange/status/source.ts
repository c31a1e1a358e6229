import type { OperationLog, SliceStore } from 'forksnap'
import type { Engine } from '../engine'
import type { WatchedSnapshotter } from './watch'

export interface MarketFigures {
  readonly name: string
  readonly asks: number
  readonly bids: number
  readonly trades: number
}

/** What the status page shows of an engine. */
export interface EngineFigures {
  readonly users: number
  readonly openOrders: number
  /** Ids given last: how many orders and trades there have ever been. */
  readonly orderId: number
  readonly tradeId: number
  readonly markets: readonly MarketFigures[]
}

/**
 * Where the status page has its figures from. It calls the functions about once a second for each open page, and never
 * changes anything.
 */
export interface StatusSource {
  engine(): EngineFigures
  readonly snapshotter: WatchedSnapshotter
  readonly store: SliceStore
  readonly log: OperationLog | undefined
  /** Why the engine refuses writes, for people; undefined while it takes them. */
  writesRefused(): string | undefined
}

export function engineFigures({ users, openOrders, orderId, tradeId, markets }: Engine): EngineFigures {
  const list = [...markets.values()].map(({ config, asks, bids, tradeCount }) => ({
    name: config.name,
    asks: asks.count,
    bids: bids.count,
    trades: tradeCount,
  }))
  return { users: users.length, openOrders: openOrders.size, orderId, tradeId, markets: list }
}

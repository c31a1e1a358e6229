import { marketFigures } from './markets'
import type { Asset, MarketConfig, MarketFigures } from './markets'
import { BookSide } from './order-book'
import type { OrderSide } from './order'
import type { OrderStore } from './order-store'

/** A market at run time: its configuration, its two book sides and the number of trades so far. */
export class Market {
  readonly asks: BookSide
  readonly bids: BookSide
  readonly figures: MarketFigures
  tradeCount = 0

  constructor(
    readonly config: MarketConfig,
    /** Its place among the markets. */
    readonly index: number,
    assets: ReadonlyMap<string, Asset>,
    orders: OrderStore,
  ) {
    this.asks = new BookSide('ASK', orders)
    this.bids = new BookSide('BID', orders)
    this.figures = marketFigures(config, assets)
  }

  book(side: OrderSide): BookSide {
    return side === 'ASK' ? this.asks : this.bids
  }
}

import { marketFigures } from './markets'
import type { Asset, MarketConfig, MarketFigures } from './markets'
import { BookSide } from './order-book'
import type { OrderSide } from './order'

/** A market at run time: its configuration, its two book sides and the number of trades so far. */
export class Market {
  readonly asks = new BookSide('ASK')
  readonly bids = new BookSide('BID')
  readonly figures: MarketFigures
  tradeCount = 0

  constructor(
    readonly config: MarketConfig,
    /** Its place among the markets. */
    readonly index: number,
    assets: ReadonlyMap<string, Asset>,
  ) {
    this.figures = marketFigures(config, assets)
  }

  book(side: OrderSide): BookSide {
    return side === 'ASK' ? this.asks : this.bids
  }
}

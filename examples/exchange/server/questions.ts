import type { Asset, MarketConfig } from '../markets'
import { queryBalances, queryDepth, queryMarkets, queryOrder, queryOrders } from '../queries'
import type { Exchange } from './exchange'
import type { Requests } from './wire'

/** The calls that change nothing. They see what has been applied, durable or not. */
export function questionHandlers(exchange: Exchange) {
  return {
    BalanceQuery: ({ user_id, assets }: Requests['BalanceQuery']) => ({
      balances: queryBalances(exchange.engine, user_id, assets),
    }),
    AssetList: () => ({ asset_lists: [...exchange.engine.assets.values()].map(assetInfo) }),
    OrderQuery: ({ user_id, market, offset, limit }: Requests['OrderQuery']) =>
      queryOrders(exchange.engine, { userId: user_id, market, offset, limit }),
    OrderBookDepth: ({ market, limit, interval }: Requests['OrderBookDepth']) =>
      queryDepth(exchange.engine, market, limit, interval),
    OrderDetail: ({ market, order_id }: Requests['OrderDetail']) => queryOrder(exchange.engine, market, order_id),
    MarketList: () => ({ markets: [...exchange.engine.markets.values()].map(({ config }) => marketInfo(config)) }),
    ReloadMarkets: () => ({}),
    MarketSummary: ({ markets }: Requests['MarketSummary']) => ({
      market_summaries: queryMarkets(exchange.engine, markets),
    }),
  }
}

function assetInfo({ symbol, name, precision, index }: Asset) {
  return { symbol, name, chain_id: 1, token_address: '', precision, logo_uri: '', inner_id: index }
}

function marketInfo(config: MarketConfig) {
  const { name, base, quote, feePrecision, amountPrecision, pricePrecision, minAmount } = config
  return {
    ...{ name, base, quote, min_amount: minAmount },
    ...{ fee_precision: feePrecision, amount_precision: amountPrecision, price_precision: pricePrecision },
  }
}

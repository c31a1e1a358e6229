import type { OrderSide, OrderType } from '../order'

/**
 * Requests as they come from the wire: every field is there. 64-bit numbers are decimal text; an enum's number that has no
 * name stays a number, which the engine refuses.
 */
export interface Requests {
  RegisterUser: { user_id: number; l1_address: string; l2_pubkey: string }
  BalanceQuery: { user_id: number; assets: string[] }
  BalanceUpdate: {
    user_id: number
    asset: string
    business: string
    business_id: string
    delta: string
    detail: string
  }
  AssetList: object
  OrderPut: {
    user_id: number
    market: string
    order_side: OrderSide
    order_type: OrderType
    amount: string
    price: string
    quote_limit: string
    taker_fee: string
    maker_fee: string
    post_only: boolean
    signature: string
  }
  OrderQuery: { user_id: number; market: string; offset: number; limit: number }
  OrderCancel: { user_id: number; market: string; order_id: string }
  OrderCancelAll: { user_id: number; market: string }
  OrderBookDepth: { market: string; limit: number; interval: string }
  OrderDetail: { market: string; order_id: string }
  MarketList: object
  ReloadMarkets: { from_scratch: boolean }
  MarketSummary: { markets: string[] }
  Transfer: { from: number; to: number; asset: string; delta: string; memo: string }
  DebugDump: object
  DebugReset: object
  DebugReload: object
}

export type Rpc = keyof Requests

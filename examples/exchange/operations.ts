import type { OrderInfo, OrderSide, OrderType } from './order'

/**
 * Everything that changes the state is an operation: data that the operation log keeps as (id, time, method, params) and
 * that gives the same result whenever it is applied to the same state. Names are those of the wire and the log; decimals
 * are text, and so may be the 64-bit numbers `order_id` and `business_id`, since JSON would round them.
 */
export interface OperationParams {
  register_user: { readonly l1_address?: string; readonly l2_pubkey?: string }
  balance_update: {
    readonly user_id: number
    readonly asset: string
    readonly business: string
    readonly business_id: number | string
    readonly delta: string
    /** Text for the log; the engine does not look at it. */
    readonly detail?: string
  }
  order_put: {
    readonly user_id: number
    readonly market: string
    readonly order_side: OrderSide
    readonly order_type: OrderType
    readonly amount: string
    /** Absent, empty or zero for a market order. */
    readonly price?: string
    /** Most that a market bid may spend; absent, empty or zero: its whole balance. */
    readonly quote_limit?: string
    readonly taker_fee?: string
    readonly maker_fee?: string
    readonly post_only?: boolean
    readonly signature?: string
  }
  order_cancel: { readonly user_id: number; readonly market: string; readonly order_id: number | string }
  order_cancel_all: { readonly user_id: number; readonly market: string }
  transfer: {
    readonly from: number
    readonly to: number
    readonly asset: string
    readonly delta: string
    /** Text for the log; the engine does not look at it. */
    readonly memo?: string
  }
}

export type Method = keyof OperationParams

export interface OperationOf<M extends Method> {
  /** Id in the operation log; the engine does not look at it. */
  readonly id: bigint
  /** When it was accepted, in whole milliseconds since 1970, up to the year 9999. Becomes the time of orders and trades. */
  readonly time: number
  readonly method: M
  readonly params: OperationParams[M]
}

export type Operation = { [M in Method]: OperationOf<M> }[Method]

export interface UserInfo {
  readonly user_id: number
  readonly l1_address: string
  readonly l2_pubkey: string
}

export interface TradeInfo {
  readonly id: number
  readonly market: string
  /** In seconds. */
  readonly time: number
  /** The resting order's price. */
  readonly price: string
  readonly amount: string
  /** Price times amount. */
  readonly quote: string
  readonly taker_side: OrderSide
  readonly ask_order_id: number
  readonly ask_user_id: number
  readonly bid_order_id: number
  readonly bid_user_id: number
}

export interface OrderPutResult {
  /** The order as it stands afterwards: resting, finished or cancelled. */
  readonly order: OrderInfo
  readonly trades: readonly TradeInfo[]
}

export interface TransferResult {
  readonly success: boolean
  readonly asset: string
  /** What the sender has available afterwards. */
  readonly balance_from: string
}

export interface OperationResults {
  register_user: UserInfo
  balance_update: Record<string, never>
  order_put: OrderPutResult
  order_cancel: OrderInfo
  order_cancel_all: { readonly total: number }
  transfer: TransferResult
}

export type Result = OperationResults[Method]

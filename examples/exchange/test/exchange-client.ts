import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js'
import type { OrderInfo } from '../order'
import { matchengineService } from '../proto/service'
import type { BalanceInfo, Depth, MarketSummary } from '../queries'
import type { Requests, Rpc } from '../server/wire'

/** What the wire makes of the numbers of 64 bits. */
export type WireOrder = Omit<OrderInfo, 'id'> & { readonly id: string }

/** Answers as a client sees them. */
export interface Responses {
  RegisterUser: { user_id: number; l1_address: string; l2_pubkey: string }
  BalanceQuery: { balances: BalanceInfo[] }
  BalanceUpdate: object
  AssetList: { asset_lists: object[] }
  OrderPut: WireOrder
  OrderQuery: { offset: number; limit: number; total: number; orders: WireOrder[] }
  OrderCancel: WireOrder
  OrderCancelAll: { total: number }
  OrderBookDepth: Depth
  OrderDetail: WireOrder
  MarketList: { markets: object[] }
  ReloadMarkets: object
  MarketSummary: { market_summaries: (Omit<MarketSummary, 'trade_count'> & { trade_count: string })[] }
  Transfer: { success: boolean; asset: string; balance_from: string }
  DebugDump: object
  DebugReset: object
  DebugReload: object
}

/** No call of a test takes so long; one that hangs is found. */
const DEADLINE_MS = 30_000

type Callback = (error: ServiceError | null, response: unknown) => void
type Method = (request: object, metadata: Metadata, options: { deadline: number }, callback: Callback) => void

/** A real client over one connection of its own. */
export class ExchangeClient {
  readonly #client: Client

  constructor(port: number) {
    const Service = matchengineService()
    const options = { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_retries': 0 }
    this.#client = new Service(`127.0.0.1:${port}`, credentials.createInsecure(), options)
  }

  call<R extends Rpc>(rpc: R, request: Partial<Requests[R]> = {}): Promise<Responses[R]> {
    const method = (this.#client as unknown as Record<Rpc, Method>)[rpc]
    return new Promise((resolve, reject) => {
      const callback: Callback = (error, response) =>
        error === null ? resolve(response as Responses[R]) : reject(error)
      method.call(this.#client, request, new Metadata(), { deadline: Date.now() + DEADLINE_MS }, callback)
    })
  }

  /** The bytes of a request as they are. */
  callRaw(rpc: Rpc, request: Buffer): Promise<Buffer> {
    const same = (bytes: Buffer): Buffer => bytes
    return new Promise((resolve, reject) => {
      const path = `/matchengine.Matchengine/${rpc}`
      const options = { deadline: Date.now() + DEADLINE_MS }
      this.#client.makeUnaryRequest(path, same, same, request, new Metadata(), options, (error, response) =>
        error === null && response !== undefined ? resolve(response) : reject(error ?? new Error('no answer')),
      )
    })
  }

  close(): void {
    this.#client.close()
  }

  /** Registers a user with these balances; returns the id. */
  async user(balances: Readonly<Record<string, string>> = {}): Promise<number> {
    const { user_id } = await this.call('RegisterUser', { l1_address: '0xabc', l2_pubkey: 'def' })
    let business_id = 0
    for (const [asset, delta] of Object.entries(balances)) {
      business_id++
      await this.call('BalanceUpdate', { user_id, asset, business: 'start', business_id: String(business_id), delta })
    }
    return user_id
  }

  /** A limit order in ETH_USDT, unless `more` says otherwise. */
  put(user_id: number, side: 'ASK' | 'BID', amount: string, price: string, more: Partial<Requests['OrderPut']> = {}) {
    const order = { user_id, market: 'ETH_USDT', order_side: side, order_type: 'LIMIT', amount, price } as const
    return this.call('OrderPut', { ...order, ...more })
  }

  async balance(user_id: number, asset: string): Promise<readonly [available: string, frozen: string]> {
    const { balances } = await this.call('BalanceQuery', { user_id, assets: [asset] })
    return [balances[0].available, balances[0].frozen]
  }
}

/** What a refused call says: its status and message. Fails if the call is not refused. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call
  } catch (error) {
    const { code, details } = error as ServiceError
    return `${status[code]} ${details}`
  }
  throw new Error('the call was not refused')
}

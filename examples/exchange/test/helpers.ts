import type { SliceWriter } from '../../../src/slice/types'
import { createSliceWriter } from '../../../src/slice/writer'
import { Engine } from '../engine'
import type { EngineOptions } from '../engine'
import { ExchangeError } from '../errors'
import type { Method, OperationOf, OperationParams, OperationResults } from '../operations'

export const TIME = Date.UTC(2026, 10, 23, 12)

/** An engine whose operations are numbered, each a millisecond after the one before. */
export class TestExchange {
  readonly engine: Engine
  private lastId = 0

  constructor(options: EngineOptions = {}) {
    this.engine = new Engine(options)
  }

  apply<M extends Method>(method: M, params: OperationParams[M]): OperationResults[M] {
    this.lastId++
    const operation = { id: BigInt(this.lastId), time: TIME + this.lastId, method, params }
    return this.engine.apply(operation as OperationOf<M>)
  }

  /** Registers a user with these balances; returns the id. */
  user(balances: Readonly<Record<string, string>> = {}): number {
    const { user_id } = this.apply('register_user', { l1_address: '0xabc', l2_pubkey: 'def' })
    for (const [asset, delta] of Object.entries(balances)) this.deposit(user_id, asset, delta)
    return user_id
  }

  deposit(userId: number, asset: string, delta: string): void {
    const business_id = this.lastId + 1
    this.apply('balance_update', { user_id: userId, asset, business: 'deposit', business_id, delta })
  }

  /** A limit order in ETH_USDT, unless `more` says otherwise. */
  put(
    user: number,
    side: 'ASK' | 'BID',
    amount: string,
    price: string,
    more: Partial<OperationParams['order_put']> = {},
  ) {
    const order = { user_id: user, market: 'ETH_USDT', order_side: side, order_type: 'LIMIT', amount, price } as const
    return this.apply('order_put', { ...order, ...more })
  }

  /** Available and frozen, as a query tells them. */
  balance(userId: number, asset: string): readonly [string, string] {
    const { index, precision } = this.engine.asset(asset)
    const text = (units: number) => (units / 10 ** precision).toFixed(precision)
    return [text(this.engine.balances.available(userId, index)), text(this.engine.balances.frozen(userId, index))]
  }
}

/** What a refused call says: its status and message. Fails if the call is not refused. */
export function refusal(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof ExchangeError) return `${error.status} ${error.message}`
    throw error
  }
  throw new Error('the call was not refused')
}

/** What `write` writes, as the bytes of a slice. */
export function sliceOf(write: (slice: SliceWriter) => void): Buffer {
  const chunks: Buffer[] = []
  const target = { write: (data: Uint8Array) => void chunks.push(Buffer.from(data)) }
  const slice = createSliceWriter(target, { sliceId: 1n, meta: {}, codec: 'none', syncEveryBytes: 0 })
  write(slice)
  slice.finish()
  return Buffer.concat(chunks)
}

import type { Column } from '../../src/slice/types'

/** An order as an engine has it that keeps decimals as text. */
export interface TextOrder {
  readonly id: bigint
  readonly market: string
  readonly price: string
  readonly amount: string
  readonly postOnly: boolean
}

/** What a row of `id`, `market`, `price`, `amount` and `postOnly` goes into. */
export const TEXT_ORDER_COLUMNS = [
  ['id', 'int8'],
  ['market', 'text'],
  ['price', 'numeric(30,8)'],
  ['amount', 'numeric(30,8)'],
  ['post_only', 'bool'],
] as const satisfies readonly Column[]

const MARKETS = ['ETH_USDT', 'UNI_USDT', 'LINK_USDT', 'MATIC_USDT']

/** Values as an engine has them: every one a different object, so that no cache flatters the writer. */
export function makeTextOrders(count: number): TextOrder[] {
  return Array.from({ length: count }, (_, i) => ({
    id: BigInt(1_000_000 + i),
    market: MARKETS[i % MARKETS.length],
    price: `${100 + (i % 9000)}.${String(i % 100).padStart(2, '0')}`,
    amount: `${1 + (i % 50)}.${String((i * 7919) % 10_000).padStart(4, '0')}`,
    postOnly: i % 3 === 0,
  }))
}

import { ASSET_DIGITS } from './checks'
import type { LoadClients } from './client'
import { QUOTE } from './orders'

const AT_A_TIME = 100

type Balances = readonly { readonly asset_id: string; readonly available: string; readonly frozen: string }[]

/** The sum of each asset over all users from 1 to `users`, available and frozen, in units. */
export async function sumBalances(clients: LoadClients, users: number): Promise<Map<string, bigint>> {
  const sums = new Map<string, bigint>()
  for (let first = 1; first <= users; first += AT_A_TIME) {
    const ids = Array.from({ length: Math.min(AT_A_TIME, users - first + 1) }, (_, i) => first + i)
    const answers = await Promise.all(ids.map((id) => clients.call(id, 'BalanceQuery', { user_id: id, assets: [] })))
    for (const { balances } of answers) addBalances(sums, balances as Balances)
  }
  return sums
}

function addBalances(sums: Map<string, bigint>, balances: Balances): void {
  for (const { asset_id, available, frozen } of balances) {
    sums.set(asset_id, (sums.get(asset_id) ?? 0n) + exactUnits(available) + exactUnits(frozen))
  }
}

/** Sums over all users may leave the range in which a number is exact. */
function exactUnits(text: string): bigint {
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(`${whole}${fraction.padEnd(ASSET_DIGITS, '0')}`)
}

/** Assets of which there is another sum now than before, but for what was deposited of the quote meanwhile. */
export function compareSums(before: Map<string, bigint>, after: Map<string, bigint>, deposited: number): string[] {
  const scale = 10n ** BigInt(ASSET_DIGITS)
  return [...before].flatMap(([asset, sum]) => {
    const expected = asset === QUOTE ? sum + BigInt(deposited) * scale : sum
    const found = after.get(asset)
    return found === expected ? [] : [`of ${asset} there are ${String(found)} units in all, not ${expected}`]
  })
}

/** forksnap over the same orders as numbers: names become their numbers, a signature of 32 digits two numbers of 8 bytes. */
import { setTimeout } from 'node:timers/promises'
import { Arena } from '../../../src/arena/arena'
import type { ArenaTable } from '../../../src/arena/table'
import { forksnapSession } from './heap'
import { Load } from './load'
import type { Session } from './method'
import { MARKETS, newOrders, SIDES, type State } from './orders'

const SCHEMA = {
  id: 'f64',
  market: 'u8',
  user: 'u32',
  side: 'u8',
  type: 'u8',
  price: 'f64',
  amount: 'f64',
  remain: 'f64',
  signature1: 'u64',
  signature2: 'u64',
  createdAt: 'f64',
  updatedAt: 'f64',
} as const
/** What the table needs in all, its list of free rows included; more than that by itself takes address space only. */
const ROW_BYTES = 80
const REGION_BYTES_MIN = 64 * 2 ** 20
const COLLAPSE_MS = 1
const REST_MS = 4

class ArenaState implements State {
  constructor(private readonly table: ArenaTable<typeof SCHEMA>) {}

  get length(): number {
    return this.table.length
  }

  fill(row: number, amount: number, nowMs: number): number {
    const { amount: amounts, remain, updatedAt } = this.table.columns
    const left = remain.get(row)
    const rest = left > amount ? left - amount : amounts.get(row)
    remain.set(row, rest)
    updatedAt.set(row, nowMs)
    return rest
  }
}

function filled(arena: Arena, records: number): ArenaTable<typeof SCHEMA> {
  const table = arena.table(SCHEMA)
  const { columns } = table
  for (const order of newOrders(records)) {
    const row = table.insert()
    columns.id.set(row, order.id)
    columns.market.set(row, MARKETS.indexOf(order.market))
    columns.user.set(row, Number(order.user.slice('user-'.length)))
    columns.side.set(row, SIDES.indexOf(order.side))
    columns.price.set(row, order.price)
    columns.amount.set(row, order.amount)
    columns.remain.set(row, order.remain)
    columns.signature1.set(row, BigInt(`0x${order.signature.slice(0, 16)}`))
    columns.signature2.set(row, BigInt(`0x${order.signature.slice(16)}`))
    columns.createdAt.set(row, order.createdAt)
    columns.updatedAt.set(row, order.updatedAt)
  }
  return table
}

export async function startArena(records: number, folder: string): Promise<Session> {
  const arena = new Arena({ bytes: Math.max(REGION_BYTES_MIN, records * ROW_BYTES) })
  const table = filled(arena, records)
  const session = await forksnapSession(
    folder,
    (slice) => void table.write(slice, 'orders'),
    () => new Load(new ArenaState(table)),
  )
  // As a program would after each snapshot: writes have split huge pages meanwhile.
  const settled = async (): Promise<void> => {
    while (!arena.collapse(COLLAPSE_MS)) await setTimeout(REST_MS)
  }
  return { ...session, settled }
}

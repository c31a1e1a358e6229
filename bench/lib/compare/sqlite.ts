import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { benchFolder } from './folders'
import { Load } from './load'
import type { Session } from './method'
import { makeOrders, OrderState, type Order } from './orders'

/** For so long each change is written, with the load going on. */
const WATCHED_MS = 2_000
const COLUMNS = 'id,market,user,side,type,price,amount,remain,signature,createdAt,updatedAt'

/** What is used of `better-sqlite3`, which is installed for the benchmarks only. */
interface Database {
  pragma(text: string): unknown
  exec(sql: string): unknown
  prepare(sql: string): { run(...values: readonly (string | number)[]): unknown }
  close(): void
}

function openDatabase(path: string): Database {
  const Constructor = createRequire(join(benchFolder(), 'package.json'))('better-sqlite3') as new (
    path: string,
  ) => Database
  return new Constructor(path)
}

function fill(database: Database, orders: readonly Order[]): number {
  const begun = performance.now()
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = NORMAL')
  database.exec(`CREATE TABLE orders (${COLUMNS.replace('id', 'id INTEGER PRIMARY KEY')})`)
  const insert = database.prepare(`INSERT INTO orders (${COLUMNS}) VALUES (${COLUMNS.replace(/\w+/g, '?')})`)
  database.exec('BEGIN')
  for (const { id, market, user, side, type, price, amount, remain, signature, createdAt, updatedAt } of orders) {
    insert.run(id, market, user, side, type, price, amount, remain, signature, createdAt, updatedAt)
  }
  database.exec('COMMIT')
  // Into the file itself, and synced.
  database.pragma('wal_checkpoint(TRUNCATE)')
  return performance.now() - begun
}

/** Writes each change to the database as well, while it is told to. */
class WrittenState extends OrderState {
  writing = false
  private readonly update

  constructor(orders: readonly Order[], database: Database) {
    super(orders)
    this.update = database.prepare('UPDATE orders SET remain = ?, updatedAt = ? WHERE id = ?')
  }

  override fill(index: number, amount: number, nowMs: number): number {
    const remain = super.fill(index, amount, nowMs)
    if (this.writing) this.update.run(remain, nowMs, this.orders[index]?.id ?? 0)
    return remain
  }
}

export function startSqlite(records: number, folder: string): Promise<Session> {
  const orders = makeOrders(records)
  const database = openDatabase(join(folder, 'state.sqlite'))
  const totalMs = fill(database, orders)
  const state = new WrittenState(orders, database)
  return Promise.resolve({
    startLoad: () => new Load(state),
    async take() {
      state.writing = true
      await setTimeout(WATCHED_MS)
      state.writing = false
      return { pauseMs: null, bytes: null, copiedBytes: null, totalMs, ownMemory: true }
    },
    close() {
      database.close()
      return Promise.resolve()
    },
  })
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digest } from '../examples/exchange/digest'
import { Engine } from '../examples/exchange/engine'
import { Flow } from '../examples/exchange/flow'
import type { Operation } from '../examples/exchange/operations'
import { restoreHandlers } from '../examples/exchange/restore'
import { writeState } from '../examples/exchange/state'
import { FileOperationLog } from '../src/oplog/file'
import type { LogEntry } from '../src/oplog/oplog'
import { recover, type RestoreHandlers } from '../src/recover'
import { createSliceWriter, fdTarget } from '../src/slice/writer'
import { FileStore } from '../src/store/file'
import { readArguments } from './lib/arguments'
import { printReport } from './lib/report'
import { median } from './lib/statistics'

/**
 * How fast an exchange's state comes back from a slice in a file and from the log after it: all of `recover()`, and what
 * its parts cost.
 *
 *   node --expose-gc dist/bench/recover.js [--orders 500000] [--operations 200000] [--rounds 5] [--json]
 *
 * `verify` reads the slice and checks every checksum, which recover() does before it delivers a row; `delivered` are rows
 * to handlers that do nothing, as arrays of values or, the orders among them, as fields; `restored` those to the engine,
 * which takes orders as fields. All three are with the reading and without `verify`. Rates of order rows leave out the
 * users' balances and keys that the slice holds, too.
 *
 * `replayed` are operations from the log through recover() into an engine, which makes no answers then; `applied` the same
 * operations from memory into another one, which answers, as it does while it serves; `replayed from memory` is the part
 * of the first that is the engine's.
 */
const ORDER_ROWS_PER_SECOND_MIN = 500_000
/** Replay at the engine's own speed. */
const REPLAY_RATIO_MIN = 1
/** What `operations` are applied to. */
const TRADED_ORDERS = 20_000
const START_MS = Date.UTC(2026, 0, 1)
const ORDERS_AT_ONCE = 500
const MS_PER_ORDER = 37

const { orders, operations, rounds, json } = readArguments({ orders: 500_000, operations: 200_000, rounds: 5 })

async function publish(store: FileStore): Promise<void> {
  const engine = new Engine()
  const flow = new Flow(engine, { seed: 1 })
  // A time of its own for each user's orders, which lie scattered over the books.
  for (let done = 0; done < orders; done += ORDERS_AT_ONCE) {
    flow.fillBooks(Math.min(ORDERS_AT_ONCE, orders - done), START_MS + done * MS_PER_ORDER)
  }
  await store.start()
  const sink = await store.create()
  const { sliceId, writing } = sink
  const writer = createSliceWriter(fdTarget(sink.fd), { sliceId, meta: {}, ...writing })
  writeState(engine, writer)
  await sink.commit({ meta: {}, trailer: writer.finish() })
}

interface Round {
  readonly verifyMs: number
  readonly restoreMs: number
  readonly totalMs: number
  readonly valuesMs: number
  readonly fieldsMs: number
}

/** How long handlers take that do nothing with what they get. */
async function decode(store: FileStore, orders: RestoreHandlers[string]): Promise<number> {
  const nothing = Object.keys(restoreHandlers(new Engine())).map((table) => [table, () => undefined])
  const restore = { ...(Object.fromEntries(nothing) as RestoreHandlers), order_slice: orders }
  const report = await recover({ store, restore, readOnly: true })
  return report.slice?.ms ?? NaN
}

async function measure(store: FileStore): Promise<Round> {
  const valuesMs = await decode(store, () => undefined)
  const fieldsMs = await decode(store, { fields: () => undefined })
  globalThis.gc?.()
  const engine = new Engine()
  const report = await recover({ store, restore: restoreHandlers(engine), readOnly: true })
  if (engine.openOrders.size !== orders) throw new Error(`${engine.openOrders.size} of ${orders} orders came back`)
  const { verifyMs = NaN, ms: restoreMs = NaN } = report.slice ?? {}
  return { verifyMs, restoreMs, valuesMs, fieldsMs, totalMs: report.totalMs }
}

/** A log of trading from an empty engine on, and the same operations. */
async function logTrading(log: FileOperationLog): Promise<Operation[]> {
  const logged: Operation[] = []
  const engine = new (class extends Engine {
    override apply(operation: Operation): never {
      logged.push(operation)
      return super.apply(operation) as never
    }
  })()
  const flow = new Flow(engine, { seed: 1 })
  flow.fillBooks(TRADED_ORDERS, START_MS)
  for (let i = 0; i < operations; i++) flow.next(START_MS + i)
  await log.start()
  for (const { method, params, time } of logged) {
    await log.ready()
    log.append({ method, params, time })
  }
  await log.close()
  return logged
}

interface ReplayRound {
  readonly replayedPerSecond: number
  readonly appliedPerSecond: number
  readonly fromMemoryPerSecond: number
}

/** Milliseconds that these operations take. */
function timed(operations: readonly Operation[], take: (operation: Operation) => unknown): number {
  globalThis.gc?.()
  const begun = performance.now()
  for (const operation of operations) take(operation)
  return performance.now() - begun
}

async function measureReplay(directory: string, logged: readonly Operation[]): Promise<ReplayRound> {
  const store = new FileStore({ directory: join(directory, 'no-slices') })
  const log = new FileOperationLog({ directory: join(directory, 'log') })
  globalThis.gc?.()
  const replayed = new Engine()
  const replay = (entry: LogEntry): unknown => replayed.replay(entry as unknown as Operation)
  const report = await recover({ store, log, restore: restoreHandlers(replayed), replay })
  await log.close()
  await store.close()
  const applied = new Engine()
  const appliedMs = timed(logged, (operation) => applied.apply(operation))
  const fromMemory = new Engine()
  const fromMemoryMs = timed(logged, (operation) => fromMemory.replay(operation))
  if (digest(replayed) !== digest(applied)) throw new Error('the replayed state is another one')
  const perSecond = (ms: number): number => (logged.length / ms) * 1000
  return {
    replayedPerSecond: perSecond(report.log?.ms ?? NaN),
    appliedPerSecond: perSecond(appliedMs),
    fromMemoryPerSecond: perSecond(fromMemoryMs),
  }
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'forksnap-bench-recover-'))
  try {
    const store = new FileStore({ directory: join(directory, 'slices') })
    await publish(store)
    await measure(store) // Warms everything up.
    const samples: Round[] = []
    for (let round = 0; round < rounds; round++) samples.push(await measure(store))
    const [slice] = await store.list()
    await store.close()
    const logged = await logTrading(new FileOperationLog({ directory: join(directory, 'log'), fsync: 'no' }))
    await measureReplay(directory, logged) // The same.
    const replays: ReplayRound[] = []
    for (let round = 0; round < rounds; round++) replays.push(await measureReplay(directory, logged))
    const rate = (count: number, ms: (sample: Round) => number) => samples.map((one) => (count / ms(one)) * 1000)
    const rows = slice?.rows ?? NaN
    const rates = rate(orders, ({ totalMs }) => totalMs)
    const ratios = replays.map(({ replayedPerSecond, appliedPerSecond }) => replayedPerSecond / appliedPerSecond)
    printReport(
      {
        bench: 'recover',
        subject: `${orders} orders, ${rows} rows, ${((slice?.bytes ?? 0) / 1e6).toFixed(1)} MB, ${logged.length} operations, ${rounds} rounds`,
        figures: [
          { name: 'recover()', unit: 'ms', values: samples.map((sample) => sample.totalMs) },
          { name: 'of it: verify', unit: 'ms', values: samples.map((sample) => sample.verifyMs) },
          { name: 'of it: read, decode, restore', unit: 'ms', values: samples.map((sample) => sample.restoreMs) },
          { name: 'all rows delivered as values', unit: '1/s', values: rate(rows, ({ valuesMs }) => valuesMs) },
          { name: 'the same, orders as fields', unit: '1/s', values: rate(rows, ({ fieldsMs }) => fieldsMs) },
          { name: 'all rows restored', unit: '1/s', values: rate(rows, ({ restoreMs }) => restoreMs) },
          { name: 'order rows through recover()', unit: '1/s', values: rates },
          { name: 'replayed', unit: '1/s', values: replays.map((one) => one.replayedPerSecond) },
          { name: 'applied from memory', unit: '1/s', values: replays.map((one) => one.appliedPerSecond) },
          { name: 'replayed from memory', unit: '1/s', values: replays.map((one) => one.fromMemoryPerSecond) },
        ],
        targets: [
          { name: 'order rows a second', measured: median(rates), limit: ORDER_ROWS_PER_SECOND_MIN, kind: 'at-least' },
          { name: 'replayed / applied', measured: median(ratios), limit: REPLAY_RATIO_MIN, kind: 'at-least' },
        ],
      },
      json,
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

void main()

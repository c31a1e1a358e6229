import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine } from '../examples/exchange/engine'
import { Flow } from '../examples/exchange/flow'
import { restoreHandlers } from '../examples/exchange/restore'
import { writeState } from '../examples/exchange/state'
import { recover } from '../src/recover'
import { createSliceWriter, fdTarget } from '../src/slice/writer'
import { FileStore } from '../src/store/file'
import { readArguments } from './lib/arguments'
import { printReport } from './lib/report'
import { median } from './lib/statistics'

/**
 * How fast an exchange's state comes back from a slice in a file: all of `recover()`, and what its parts cost.
 *
 *   node --expose-gc dist/bench/recover.js [--orders 500000] [--rounds 5] [--json]
 *
 * `verify` reads the slice and checks every checksum, which recover() does before it delivers a row; `decode` delivers
 * the rows to handlers that do nothing; `restore` delivers them to the engine. Rates count order rows only, although the
 * slice holds the users' balances and keys, too.
 */
const ORDER_ROWS_PER_SECOND_MIN = 500_000
const START_MS = Date.UTC(2026, 0, 1)
const ORDERS_AT_ONCE = 500
const MS_PER_ORDER = 37

const { orders, rounds, json } = readArguments({ orders: 500_000, rounds: 5 })

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
  readonly decodeMs: number
}

/** What handlers that do nothing get. */
async function decode(store: FileStore): Promise<number> {
  const nothing = Object.fromEntries(
    Object.keys(restoreHandlers(new Engine())).map((table) => [table, () => undefined]),
  )
  const report = await recover({ store, restore: nothing, readOnly: true })
  return report.slice?.ms ?? NaN
}

async function measure(store: FileStore): Promise<Round> {
  const decodeMs = await decode(store)
  globalThis.gc?.()
  const engine = new Engine()
  const report = await recover({ store, restore: restoreHandlers(engine), readOnly: true })
  if (engine.openOrders.size !== orders) throw new Error(`${engine.openOrders.size} of ${orders} orders came back`)
  const { verifyMs = NaN, ms: restoreMs = NaN } = report.slice ?? {}
  return { verifyMs, restoreMs, decodeMs, totalMs: report.totalMs }
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
    const rates = samples.map(({ totalMs }) => (orders / totalMs) * 1000)
    printReport(
      {
        bench: 'recover',
        subject: `${orders} orders, ${slice?.rows ?? 0} rows, ${((slice?.bytes ?? 0) / 1e6).toFixed(1)} MB, ${rounds} rounds`,
        figures: [
          { name: 'recover()', unit: 'ms', values: samples.map((sample) => sample.totalMs) },
          { name: 'of it: verify', unit: 'ms', values: samples.map((sample) => sample.verifyMs) },
          { name: 'of it: read, decode, restore', unit: 'ms', values: samples.map((sample) => sample.restoreMs) },
          { name: 'read and decode alone', unit: 'ms', values: samples.map((sample) => sample.decodeMs) },
          { name: 'order rows', unit: '1/s', values: rates },
        ],
        targets: [
          { name: 'order rows a second', measured: median(rates), limit: ORDER_ROWS_PER_SECOND_MIN, kind: 'at-least' },
        ],
      },
      json,
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

void main()

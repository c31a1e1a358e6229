import { createSliceWriter, nullTarget } from '../../src/slice/writer'
import { digest } from './digest'
import { Engine, type StateKind } from './engine'
import { Flow } from './flow'
import { writeState } from './state'
import { checkStateKind } from './storage'

/*
 * Prints how long the engine takes to fill its books, to trade, to digest and to write a slice into nothing, and how
 * much memory an order takes. Run it as `node --expose-gc dist/examples/exchange/measure.js [orders] [operations] [heap|arena]`.
 */

const START_MS = Date.UTC(2026, 0, 1)

function timed<T>(what: string, work: () => T): T {
  const start = performance.now()
  const result = work()
  console.log(`${what}: ${((performance.now() - start) / 1000).toFixed(2)} s`)
  return result
}

function memoryUsed(): number {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function main(orders: number, operations: number, state: StateKind): void {
  const before = memoryUsed()
  const engine = new Engine({ state })
  const flow = new Flow(engine, { seed: 1 })
  timed(`fill with ${orders} orders`, () => flow.fillBooks(orders, START_MS))
  const after = memoryUsed()
  const perOrder = ((after - before) / engine.openOrders.size).toFixed(0)
  console.log(`memory: ${((after - before) / 1e6).toFixed(0)} MB, ${perOrder} bytes per order`)
  timed(`${operations} operations`, () => {
    for (let i = 0; i < operations; i++) flow.next(START_MS + i)
  })
  console.log(`open orders: ${engine.openOrders.size}, trades: ${engine.tradeId}, users: ${engine.users.length}`)
  const first = timed('digest', () => digest(engine))
  const slice = createSliceWriter(nullTarget(), { sliceId: 1n, meta: {}, codec: 'none', syncEveryBytes: 0 })
  timed('slice with digest', () => writeState(engine, slice))
  const { digest: second } = slice.finish().values
  console.log(`${slice.rows} rows, ${(slice.bytes / 1e6).toFixed(0)} MB`)
  if (first !== second) throw new Error(`digest ${first} is not that of the rows, ${JSON.stringify(second)}`)
}

main(
  Number(process.argv[2] ?? 1_000_000),
  Number(process.argv[3] ?? 500_000),
  checkStateKind(process.argv[4] ?? 'heap', 'the state'),
)

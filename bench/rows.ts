import { closeSync, openSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { SliceParser } from '../src/slice/reader'
import type { SliceTrailer, SliceWriter } from '../src/slice/types'
import { createSliceWriter, fdTarget, type SliceTarget } from '../src/slice/writer'
import { becomePackedIfAsked } from './lib/packed-heap'
import { makeTextOrders, TEXT_ORDER_COLUMNS, type TextOrder } from './lib/text-orders'

/**
 * Rows a second through the slice writer and back through the reader, for rows of (int8 bigint, text, numeric string,
 * numeric string, bool), checksums on. Both are warm: the first runs are not counted, and the figures are medians.
 *
 *   node dist/bench/rows.js [--json] [--rows 1000000] [--runs 7] [--target /dev/null] [--packed]
 */

const { values: args } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rows: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '7' },
    target: { type: 'string', default: '/dev/null' },
    packed: { type: 'boolean', default: false },
  },
})
becomePackedIfAsked()

const WARM_UP_RUNS = 2

function writeOrders(slice: SliceWriter, orders: readonly TextOrder[]): void {
  const table = slice.table('order_slice', TEXT_ORDER_COLUMNS)
  for (const order of orders) table.row(order.id, order.market, order.price, order.amount, order.postOnly)
}

function writeSlice(target: SliceTarget, orders: readonly TextOrder[]): SliceTrailer {
  const writer = createSliceWriter(target, { sliceId: 1n, meta: {}, codec: 'none', syncEveryBytes: 0 })
  writeOrders(writer, orders)
  return writer.finish()
}

function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

interface Cost {
  readonly ms: number
  /** Processor time of all threads: what remains comparable when others use the machine, too. */
  readonly cpuMs: number
}

/** Medians of what the work takes once it is warm. */
function measure(runs: number, work: () => void): Cost {
  const costs: Cost[] = []
  for (let i = 0; i < WARM_UP_RUNS + runs; i++) {
    const start = performance.now()
    const cpuStart = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(cpuStart)
    if (i >= WARM_UP_RUNS) costs.push({ ms: performance.now() - start, cpuMs: (user + system) / 1000 })
  }
  return { ms: median(costs.map((cost) => cost.ms)), cpuMs: median(costs.map((cost) => cost.cpuMs)) }
}

function readSlice(chunks: readonly Uint8Array[], onRow?: () => void): void {
  const parser = new SliceParser(onRow === undefined ? {} : { row: onRow })
  for (const chunk of chunks) parser.push(chunk)
  parser.end()
}

/** Pieces as a reader of files hands them over. */
function chunksOf(whole: Buffer, bytes: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(whole.length / bytes) }, (_, i) => whole.subarray(i * bytes, (i + 1) * bytes))
}

function run(): object {
  const rows = Number(args.rows)
  const runs = Number(args.runs)
  const orders = makeTextOrders(rows)
  const fd = openSync(args.target, 'w')
  const write = measure(runs, () => void writeSlice(fdTarget(fd), orders))
  closeSync(fd)
  const kept: Buffer[] = []
  const { bytes } = writeSlice({ write: (data) => void kept.push(Buffer.from(data)) }, orders)
  const chunks = chunksOf(Buffer.concat(kept), 1024 * 1024)
  let seen = 0
  const read = measure(runs, () => readSlice(chunks, () => void seen++))
  const verify = measure(runs, () => readSlice(chunks))
  if (seen !== rows * (WARM_UP_RUNS + runs)) throw new Error(`the reader returned ${seen} rows`)
  const perSecond = (cost: Cost): number => Math.round((rows / cost.ms) * 1000)
  const cpuNsPerRow = (cost: Cost): number => Math.round((cost.cpuMs * 1e6) / rows)
  return {
    node: process.versions.node,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    target: args.target,
    rows,
    bytes,
    runs,
    writeRowsPerSecond: perSecond(write),
    writeBytesPerSecond: Math.round((bytes / write.ms) * 1000),
    writeCpuNsPerRow: cpuNsPerRow(write),
    readRowsPerSecond: perSecond(read),
    readCpuNsPerRow: cpuNsPerRow(read),
    verifyRowsPerSecond: perSecond(verify),
    verifyCpuNsPerRow: cpuNsPerRow(verify),
  }
}

const result = run()
if (args.json) {
  console.log(JSON.stringify(result))
} else {
  for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(22)} ${String(value)}`)
}

/** One snapshot of a process of its own: prints how long its child wrote as one line of JSON. */
import { setImmediate } from 'node:timers/promises'
import type { ChildOptions } from '../../src/fork-job'
import { Snapshotter } from '../../src/snapshotter'
import type { SliceWriter } from '../../src/slice/types'
import { createSliceWriter, nullTarget } from '../../src/slice/writer'
import { NullStore } from './null-store'
import { makeTextOrders, TEXT_ORDER_COLUMNS, type TextOrder } from './text-orders'

/** `cold` without a warm-up, `warmed-up` with forksnap's own, `warm` after the whole state was written many times. */
export type Warmth = 'cold' | 'warmed-up' | 'warm'

/** What the child's V8 has for compilation: threads of its own, nothing, or `--efficiency-mode`. */
export type Mode = 'workers' | 'alone' | 'efficiency'

const CHILDREN: { readonly [mode in Mode]: ChildOptions } = {
  workers: {},
  alone: { v8Workers: 0, efficiencyMode: false },
  efficiency: { v8Workers: 0, efficiencyMode: true },
}

export interface ColdWarmSample {
  /** In the child, from the first row to the last. */
  readonly writeMs: number
  readonly childMs: number
  readonly warmUpMs: number
}

const WARM_ROUNDS = 8

function writeOrders(slice: SliceWriter, orders: readonly TextOrder[]): undefined {
  const begun = performance.now()
  const table = slice.table('order_slice', TEXT_ORDER_COLUMNS)
  table.rows(orders, ({ id, market, price, amount, postOnly }) => [id, market, price, amount, postOnly])
  slice.set('writeMs', performance.now() - begun)
}

/** Between the rounds the event loop turns, so that functions compiled in the background come into use. */
async function makeWarm(orders: readonly TextOrder[]): Promise<void> {
  for (let i = 0; i < WARM_ROUNDS; i++) {
    const writer = createSliceWriter(nullTarget(), { sliceId: 1n, meta: {}, codec: 'none', syncEveryBytes: 0 })
    writeOrders(writer, orders)
    writer.finish()
    await setImmediate()
  }
}

async function main(warmth: Warmth, mode: Mode, rows: number): Promise<ColdWarmSample> {
  const orders = makeTextOrders(rows)
  if (warmth === 'warm') await makeWarm(orders)
  const snapshotter = new Snapshotter({
    store: new NullStore(),
    write: (slice) => writeOrders(slice, orders),
    intervalMs: 0,
    ...(warmth === 'cold' ? { warmUp: false } : {}),
    child: CHILDREN[mode],
  })
  await snapshotter.start()
  const begun = performance.now()
  let warmUpMs = 0
  snapshotter.once('forked', (info) => (warmUpMs = performance.now() - begun - info.quiesceMs - info.pauseMs))
  const { values, childMs } = await snapshotter.save()
  await snapshotter.close()
  return { writeMs: Number(values.writeMs), childMs, warmUpMs }
}

const [warmth, mode, rows] = process.argv.slice(2)
void main(warmth as Warmth, mode as Mode, Number(rows)).then((sample) => console.log(JSON.stringify(sample)))

/**
 * The engine under live load, saved by forks every few seconds, restored after a kill:
 *
 *   npm start -- [--orders 1000000] [--rate 5000] [--interval 5000] [--directory ./data] [--seed 1] [--snapshots 0]
 *
 * `--rate` is in operations per second, `--interval` in milliseconds; `--snapshots N` ends after that many.
 */
import os from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { FileStore, Snapshotter, type Saved } from 'forksnap'
import { ProgressBar, reportLine, reportTitle } from './demo-report'
import { Engine } from './engine'
import { Flow } from './flow'
import { metaOf, restoreNewest, writeEngine, type DemoMeta } from './persistence'
import { flowTime, SteadyFlow } from './steady-flow'

const DEFAULTS = { orders: 1_000_000, rate: 5000, interval: 5000, seed: 1, snapshots: 0 }

interface Options extends Record<keyof typeof DEFAULTS, number> {
  directory: string
}

function readOptions(): Options {
  const names = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: { ...Object.fromEntries(names.map((name) => [name, text])), directory: text },
  }) as { values: Partial<Record<keyof Options, string>> }
  const options: Options = { ...DEFAULTS, directory: values.directory ?? './data' }
  for (const name of names) {
    const value = Number(values[name] ?? DEFAULTS[name])
    const least = name === 'seed' || name === 'snapshots' ? 0 : 1
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`--${name} must be a whole number from ${least}, not "${values[name]}"`)
    }
    options[name] = value
  }
  return options
}

const bar = new ProgressBar(process.stdout)
const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1000).toFixed(1)

interface State {
  readonly engine: Engine
  readonly flow: Flow
}

async function restore(store: FileStore): Promise<State | null> {
  const began = performance.now()
  const restored = await restoreNewest(store, (bytes, total) => bar.draw('restoring', bytes / total))
  bar.clear()
  if (restored === null) return null
  for (const message of restored.passedOver) console.log(`passed over a damaged slice: ${message}`)
  const { sliceId, rows, bytes, digest } = restored
  console.log(
    `restored slice ${sliceId}: ${rows.toLocaleString('en')} rows, ${(bytes / 1e6).toFixed(1)} MB in ${seconds(began)} s; ` +
      `digest ${digest} is the one stored with it`,
  )
  return restored
}

async function fill({ orders, seed }: Options): Promise<State> {
  const began = performance.now()
  const engine = new Engine()
  const flow = new Flow(engine, { seed })
  for (const done of flow.filling(orders, flowTime(flow))) {
    bar.draw('filling the books', done / orders)
    await setImmediate()
  }
  bar.clear()
  console.log(`filled the books with ${orders.toLocaleString('en')} resting orders in ${seconds(began)} s`)
  return { engine, flow }
}

function makeSnapshotter(store: FileStore, { engine, flow }: State, intervalMs: number): Snapshotter<DemoMeta> {
  const snapshotter = new Snapshotter<DemoMeta>({
    store,
    intervalMs,
    meta: () => metaOf(flow),
    write: (slice) => writeEngine(engine, slice),
  })
  snapshotter.on('progress', ({ rows }) => {
    const expected = engine.openOrders.size + 14 * engine.users.length
    bar.draw('the child is writing', rows / expected)
  })
  snapshotter.on('failed', (error) => {
    bar.clear()
    console.error(`a snapshot failed: ${String(error)}`)
  })
  return snapshotter
}

/** npm passes on the Ctrl-C that the terminal has already sent to this process: what comes so soon is the same one. */
const SAME_SIGNAL_MS = 1000

/** Resolves at the first SIGINT or SIGTERM, or after the given number of snapshots; a second one aborts `hurry`. */
function untilAskedToStop(
  snapshotter: Snapshotter<DemoMeta>,
  snapshots: number,
  hurry: AbortController,
): Promise<string> {
  return new Promise((resolve) => {
    let askedMs: number | undefined
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        askedMs ??= performance.now()
        if (performance.now() - askedMs > SAME_SIGNAL_MS) hurry.abort()
        resolve(signal)
      })
    }
    let taken = 0
    snapshotter.on('saved', (saved: Saved) => {
      bar.clear()
      console.log(reportLine(saved))
      if (++taken === snapshots) resolve(`${snapshots} snapshots`)
    })
  })
}

async function main(): Promise<void> {
  const options = readOptions()
  const store = new FileStore({ directory: options.directory })
  await store.start()
  console.log(`Node ${process.version}, ${os.availableParallelism()} cores, slices in ${options.directory}`)
  const state = (await restore(store)) ?? (await fill(options))
  const snapshotter = makeSnapshotter(store, state, options.interval)
  await snapshotter.start()
  const load = new SteadyFlow(state.flow, options.rate, (count) => snapshotter.changed(count))
  console.log(
    `trading at ${options.rate.toLocaleString('en')} operations a second, a snapshot every ${options.interval / 1000} s; ` +
      'Ctrl-C ends with a last one',
  )
  console.log(reportTitle())
  const hurry = new AbortController()
  const why = await untilAskedToStop(snapshotter, options.snapshots, hurry)
  await load.stop()
  console.log(`${why}: one last snapshot`)
  await snapshotter.close({ save: true, signal: hurry.signal })
  console.log(
    `done: ${state.engine.openOrders.size.toLocaleString('en')} resting orders, ` +
      `${state.engine.tradeId.toLocaleString('en')} trades, operation ${state.flow.state.operationId.toLocaleString('en')}`,
  )
}

main().catch((error: unknown) => {
  bar.clear()
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error)
  process.exitCode = 1
})

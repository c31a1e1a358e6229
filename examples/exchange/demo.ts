/**
 * The engine under live load, saved by forks every few seconds, its operations logged, recovered after a kill:
 *
 *   npm run bench:engine -- [--orders 1000000] [--rate 5000] [--interval 5000] [--seed 1] [--snapshots 0]
 *                           [--store file|postgres://...] [--log always|everysec|no|off] [--new-log] [--directory ./data]
 *                           [--state heap|arena]
 *
 * `--rate` is in operations per second, `--interval` in milliseconds; `--snapshots N` ends after that many. `--new-log`
 * is for a store that was run with `--log off` so far, or whose log is lost: the log begins anew after the newest slice.
 * `--state arena` keeps the orders outside of V8's heap; either kind of state reads the slices of the other one.
 * Ctrl-C ends it with a last snapshot, also while the books are being filled, which the next start goes on with.
 */
import os from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { Snapshotter, type RecoverProgress, type RecoverReport, type Saved } from 'forksnap'
import { ArenaOrders } from './arena-orders'
import { openPersistence, readOptions, type Options, type Persistence } from './demo-options'
import { ProgressBar, recoveryLines, reportLine, reportTitle } from './demo-report'
import { heapLine } from './heap'
import { metaOf, recoverEngine, writeEngine, type DemoMeta, type Recovered } from './persistence'
import { Stop } from './demo-stop'
import { flowTime, SteadyFlow } from './steady-flow'

const bar = new ProgressBar(process.stdout)
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
const count = (value: number | bigint): string => value.toLocaleString('en')

function drawRecovery(progress: RecoverProgress): void {
  if (progress.phase === 'slice') bar.draw('restoring', progress.bytes / progress.bytesTotal)
  else bar.draw('replaying', progress.entries / (progress.entries + Number(progress.lastId - progress.id)))
}

async function restore({ store, log }: Persistence, { seed, newLog, state }: Options): Promise<Recovered> {
  const recovered = await recoverEngine({ store, log, seed, newLog, state, onProgress: drawRecovery })
  bar.clear()
  for (const line of recoveryLines(recovered.report)) console.log(line)
  return recovered
}

/** Orders between two turns of the event loop while the books are filled. */
const FILL_STEP = 500

/**
 * Puts in as many orders as are missing: all at the first start, what a kill or a stop during the filling has left at a
 * later one. Resolves with how many are to rest if it was stopped before.
 */
async function fill(
  { engine, flow }: Recovered,
  orders: number,
  { log }: Persistence,
  stop: Stop,
): Promise<number | undefined> {
  const missing = orders - engine.openOrders.size
  if (missing <= 0) return undefined
  const began = performance.now()
  let [filled, drawn] = [0, 0]
  for (filled of flow.filling(missing, flowTime(flow))) {
    await engine.ready()
    if (filled < drawn + FILL_STEP) continue
    drawn = filled
    bar.draw('filling the books', filled / missing)
    await setImmediate()
    if (stop.isAsked) break
  }
  await log?.sync()
  bar.clear()
  console.log(`filled the books with ${count(filled)} resting orders in ${seconds(performance.now() - began)} s`)
  return filled < missing ? orders : undefined
}

function makeSnapshotter(
  { store, log }: Persistence,
  { engine, flow }: Recovered,
  intervalMs: number,
  fillTo: number | undefined,
): Snapshotter<DemoMeta> {
  const snapshotter = new Snapshotter<DemoMeta>({
    store,
    ...(log === undefined ? {} : { log }),
    intervalMs,
    meta: () => ({ ...metaOf(engine, flow), ...(fillTo === undefined ? {} : { fillTo }) }),
    write: (slice) => writeEngine(engine, slice),
  })
  snapshotter.on('progress', ({ rows }) => {
    // Orders of an arena are no rows.
    const orders = engine.orders instanceof ArenaOrders ? 0 : engine.openOrders.size
    const expected = orders + 14 * engine.users.length
    bar.draw('the child is writing', rows / expected)
  })
  snapshotter.on('failed', (error) => {
    bar.clear()
    console.error(`a snapshot failed: ${String(error)}`)
  })
  return snapshotter
}

/** Reports each snapshot, and asks to stop after the given number of them. */
function reportSnapshots(snapshotter: Snapshotter<DemoMeta>, snapshots: number, stop: Stop): void {
  let taken = 0
  snapshotter.on('saved', (saved: Saved) => {
    bar.clear()
    console.log(reportLine(saved))
    if (++taken === snapshots) stop.ask(`${snapshots} snapshots`)
  })
}

/** Slices and log are only read until the state is back; what the log cuts off was never whole. */
function tellNothingIsLost(signal: NodeJS.Signals): void {
  bar.clear()
  console.log(`${signal} while the state was being restored: ended at once; nothing is lost, start it again`)
}

/** How many orders are to rest: as many as were asked for, where a filling has not come to its end, or had no slice yet. */
function ordersToFill({ slice }: RecoverReport, orders: number): number {
  return slice === undefined ? orders : Number(slice.meta.fillTo ?? 0)
}

/** Trades until somebody asks to stop; rejects if the log fails, after which nothing is traded. */
async function trade(
  { engine, flow }: Recovered,
  { rate, interval }: Options,
  snapshotter: Snapshotter<DemoMeta>,
  stop: Stop,
): Promise<void> {
  const load = new SteadyFlow(flow, engine, rate, (operations) => snapshotter.changed(operations))
  console.log(heapLine(snapshotter))
  console.log(
    `trading at ${count(rate)} operations a second, a snapshot every ${interval / 1000} s; Ctrl-C ends with a last one`,
  )
  console.log(reportTitle())
  try {
    await Promise.race([stop.asked, load.ended])
    await load.stop()
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${count(load.answered)} operations are answered, no more are taken: ${said}`, { cause })
  }
}

async function main(): Promise<void> {
  const options = readOptions()
  const stop = new Stop()
  const persistence = await openPersistence(options)
  try {
    await run(options, persistence, stop)
  } catch (error) {
    await Promise.allSettled([persistence.store.close(), persistence.log?.close()])
    throw error
  }
}

async function run(options: Options, persistence: Persistence, stop: Stop): Promise<void> {
  const { log, where } = persistence
  const logged = log === undefined ? 'no log' : `log ${options.store === 'file' ? options.log : 'by COMMIT'}`
  console.log(
    `process ${process.pid}, Node ${process.version}, ${os.availableParallelism()} cores, ${where}, ${logged}, orders on ${options.state === 'heap' ? 'the heap' : 'an arena'}`,
  )
  const state = await stop.endingAtOnce(tellNothingIsLost, () => restore(persistence, options))
  const fillTo = await fill(state, ordersToFill(state.report, options.orders), persistence, stop)
  const snapshotter = makeSnapshotter(persistence, state, options.interval, fillTo)
  reportSnapshots(snapshotter, options.snapshots, stop)
  await snapshotter.start()
  if (!stop.isAsked) await trade(state, options, snapshotter, stop)
  console.log(`${await stop.asked}: one last snapshot`)
  await snapshotter.close({ save: true, signal: stop.hurry.signal })
  await log?.close()
  console.log(
    `done: ${count(state.engine.openOrders.size)} resting orders, ` +
      `${count(state.engine.tradeId)} trades, operation ${count(state.flow.state.operationId)}`,
  )
}

main().catch((error: unknown) => {
  bar.clear()
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error)
  process.exitCode = 1
})

/**
 * The engine under live load, saved by forks every few seconds, its operations logged, recovered after a kill:
 *
 *   npm run bench:engine -- [--orders 1000000] [--rate 5000] [--interval 5000] [--seed 1] [--snapshots 0]
 *                           [--store file|postgres://...] [--log always|everysec|no|off] [--directory ./data]
 *
 * `--rate` is in operations per second, `--interval` in milliseconds; `--snapshots N` ends after that many.
 */
import os from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { Snapshotter, type RecoverProgress, type RecoverReport, type Saved } from 'forksnap'
import { openPersistence, readOptions, type Options, type Persistence } from './demo-options'
import { ProgressBar, reportLine, reportTitle } from './demo-report'
import { metaOf, recoverEngine, writeEngine, type DemoMeta, type Recovered } from './persistence'
import { flowTime, SteadyFlow } from './steady-flow'

const bar = new ProgressBar(process.stdout)
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
const count = (value: number | bigint): string => value.toLocaleString('en')

function drawRecovery(progress: RecoverProgress): void {
  if (progress.phase === 'slice') bar.draw('restoring', progress.bytes / progress.bytesTotal)
  else bar.draw('replaying', progress.entries / (progress.entries + Number(progress.lastId - progress.id)))
}

async function restore({ store, log }: Persistence, seed: number): Promise<Recovered> {
  const recovered = await recoverEngine({ store, log, seed, onProgress: drawRecovery })
  bar.clear()
  tellRecovery(recovered.report)
  return recovered
}

function tellRecovery({ passedOver, slice, log }: RecoverReport): void {
  for (const { error } of passedOver) console.log(`passed over a damaged slice: ${error.message}`)
  if (slice !== undefined) {
    const { sliceId, rows, bytes, verifyMs, ms, values } = slice
    console.log(
      `restored slice ${sliceId}: ${count(rows)} rows, ${(bytes / 1e6).toFixed(1)} MB in ${seconds(verifyMs + ms)} s; ` +
        `digest ${JSON.stringify(values.digest)} is the one stored with it`,
    )
  }
  if (log === undefined) return
  if (log.cut !== undefined) console.log(`cut ${log.cut.bytes} bytes that a crash left half written from the log`)
  if (log.entries > 0) {
    console.log(`replayed operations ${count(log.first)} to ${count(log.last)} in ${seconds(log.ms)} s`)
  }
}

/** Puts in as many orders as are missing: all at the first start, what a kill during the filling has left at a later one. */
async function fill({ engine, flow }: Recovered, { orders }: Options, { log }: Persistence): Promise<void> {
  const missing = orders - engine.openOrders.size
  if (missing <= 0) return
  const began = performance.now()
  for (const done of flow.filling(missing, flowTime(flow))) {
    bar.draw('filling the books', done / missing)
    await log?.ready()
    await setImmediate()
  }
  await log?.sync()
  bar.clear()
  console.log(`filled the books with ${count(missing)} resting orders in ${seconds(performance.now() - began)} s`)
}

function makeSnapshotter(
  { store, log }: Persistence,
  { engine, flow }: Recovered,
  intervalMs: number,
): Snapshotter<DemoMeta> {
  const snapshotter = new Snapshotter<DemoMeta>({
    store,
    ...(log === undefined ? {} : { log }),
    intervalMs,
    meta: () => metaOf(engine, flow),
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
  const persistence = openPersistence(options)
  const { log, where } = persistence
  const logged = log === undefined ? 'no log' : `log ${options.store === 'file' ? options.log : 'by COMMIT'}`
  console.log(`Node ${process.version}, ${os.availableParallelism()} cores, ${where}, ${logged}`)
  const state = await restore(persistence, options.seed)
  const { report } = state
  if (report.slice === undefined) await fill(state, options, persistence)
  const snapshotter = makeSnapshotter(persistence, state, options.interval)
  await snapshotter.start()
  const load = new SteadyFlow(state.flow, options.rate, (operations) => snapshotter.changed(operations))
  console.log(
    `trading at ${count(options.rate)} operations a second, a snapshot every ${options.interval / 1000} s; ` +
      'Ctrl-C ends with a last one',
  )
  console.log(reportTitle())
  const hurry = new AbortController()
  const why = await untilAskedToStop(snapshotter, options.snapshots, hurry)
  await load.stop()
  console.log(`${why}: one last snapshot`)
  await snapshotter.close({ save: true, signal: hurry.signal })
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

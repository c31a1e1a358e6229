/**
 * The whole exchange for a minute: a server that keeps its state in memory, a snapshot of it every five seconds, a load
 * generator in a process of its own, and a status page to look at.
 *
 *   npm start -- [--seconds 60] [--interval 5] [--rate 1000] [--connections 4] [--orders 20000] [--users 100] [--seed 1]
 *                [--directory ./data/exchange] [--port 50051] [--status-port 50080]
 *                [--state heap|arena]
 *
 * Ctrl-C ends it early; either way a summary comes and a last snapshot is taken. The next start goes on from it, and
 * after a kill from the newest snapshot and the log.
 */
import os from 'node:os'
import { ProgressBar, recoveryLines, reportLine, reportTitle } from './demo-report'
import type { Span } from './load/latency'
import { heapLine } from './heap'
import { startLoadProcess } from './load/process'
import { explain } from './server/report'
import { listenForStop } from './server/signals'
import { startExchange, type RunningExchange } from './server/start'
import { readStartOptions, type StartOptions } from './start-options'
import { startStatusServer } from './status/server'
import { summaryLines, type Totals } from './summary'

/** How often the progress bar is drawn while the books are filled. */
const DRAW_MS = 100

const bar = new ProgressBar(process.stdout)
const count = (value: number): string => value.toLocaleString('en')

function say(line: string): void {
  bar.clear()
  console.log(line)
}

interface Followed {
  readonly spans: Span[]
  /** Of each fork by its slice, in milliseconds. */
  readonly pauses: Map<bigint, number>
}

/** Prints every snapshot that ends from now on, and remembers when it ran. */
function followSnapshots({ snapshotter }: RunningExchange): Followed {
  const followed: Followed = { spans: [], pauses: new Map() }
  snapshotter.on('forked', ({ sliceId, pauseMs }) => followed.pauses.set(sliceId, pauseMs))
  snapshotter.on('saved', (saved) => {
    const to = Date.now()
    if (followed.spans.length === 0) say(reportTitle())
    followed.spans.push({ from: to - saved.totalMs, to })
    // One that was running already had its fork before anybody listened.
    followed.pauses.set(saved.sliceId, saved.pauseMs)
    say(reportLine(saved))
  })
  snapshotter.on('failed', (error) => {
    bar.clear()
    console.error(`a snapshot failed: ${explain(error)}`)
  })
  return followed
}

function totals({ engine }: RunningExchange): Totals {
  return { orders: engine.orderId, trades: engine.tradeId }
}

async function start({ directory, port, statusPort, interval, state }: StartOptions): Promise<RunningExchange> {
  say(
    `process ${process.pid}, Node ${process.version}, ${os.availableParallelism()} cores, ` +
      `files in ${directory}, log synced for each answer`,
  )
  const exchange = await startExchange({
    ...{ directory, port, statusPort, state, intervalMs: interval * 1000 },
    status: startStatusServer,
  })
  const { engine, recovered } = exchange
  say(heapLine(exchange.snapshotter))
  for (const line of recoveryLines(recovered)) say(line)
  say(
    recovered.position === 0n
      ? 'a new exchange'
      : `${count(engine.openOrders.size)} resting orders of ${count(engine.users.length)} users; ` +
          `${count(engine.orderId)} orders and ${count(engine.tradeId)} trades so far`,
  )
  say(`gRPC on port ${exchange.port}, status page: http://127.0.0.1:${exchange.statusPort}/`)
  return exchange
}

async function main(): Promise<void> {
  const options = readStartOptions(process.argv.slice(2))
  const { asked, hurry } = listenForStop()
  const stop = new AbortController()
  void asked.then(() => stop.abort())
  const exchange = await start(options)
  try {
    if (!stop.signal.aborted) await trade(exchange, options, stop.signal)
  } finally {
    say('a last snapshot')
    await exchange.close({ signal: hurry })
  }
  say('done; start it again and it goes on from here')
}

async function trade(exchange: RunningExchange, options: StartOptions, stop: AbortSignal): Promise<void> {
  const { seconds, interval, rate, connections, users, seed } = options
  const { engine, port } = exchange
  const orders = Math.max(0, options.orders - engine.openOrders.size)
  const load = startLoadProcess({ port, connections, rate, seconds, users, seed, orders })
  stop.addEventListener('abort', () => load.stop(), { once: true })
  await drawFilling(exchange, options.orders, orders, load.started)
  const followed = followSnapshots(exchange)
  const before = totals(exchange)
  if (!stop.aborted) {
    say(`${count(rate)} requests a second for ${seconds} s, a snapshot every ${interval} s; Ctrl-C ends it early`)
  }
  const report = await load.report
  const pauses = [...followed.pauses.values()]
  const { spans } = followed
  for (const line of summaryLines({ report, spans, pauses, before, after: totals(exchange) })) say(line)
  if (report.violations.count > 0) process.exitCode = 1
}

/** Waits until the books are filled and the load's clock runs. */
async function drawFilling(
  { engine }: RunningExchange,
  wanted: number,
  missing: number,
  started: Promise<void>,
): Promise<void> {
  if (missing > 0) say(`filling the books up to ${count(wanted)} resting orders`)
  const draw = (): void => bar.draw('filling the books', 1 - (wanted - engine.openOrders.size) / Math.max(1, missing))
  const timer = setInterval(draw, DRAW_MS)
  try {
    await started
  } finally {
    clearInterval(timer)
    bar.clear()
  }
}

main().catch((error: unknown) => {
  bar.clear()
  console.error(explain(error))
  process.exitCode = 1
})

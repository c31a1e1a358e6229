/**
 * The whole exchange for a minute: a server that keeps its state in memory, a snapshot of it every five seconds, a load
 * generator in a process of its own, and a status page to look at.
 *
 *   npm run exchange:demo -- [--seconds 60] [--interval 5] [--rate 1000] [--connections 4] [--orders 20000] [--seed 1]
 *                            [--directory ./data/exchange] [--port 50051] [--status-port 50080]
 *
 * Ctrl-C ends it early; either way a summary comes and a last snapshot is taken, and the next start restores it.
 */
import os from 'node:os'
import { parseArgs } from 'node:util'
import { reportLine, reportTitle } from './demo-report'
import type { Span } from './load/latency'
import { startLoadProcess } from './load/process'
import { explain } from './server/report'
import { listenForStop } from './server/signals'
import { startExchange, type RunningExchange } from './server/start'
import { startStatusServer } from './status/server'
import { summaryLines, type Totals } from './summary'

const DEFAULTS = {
  seconds: 60,
  interval: 5,
  rate: 1000,
  connections: 4,
  orders: 20_000,
  seed: 1,
  port: 50_051,
  'status-port': 50_080,
}

type Options = typeof DEFAULTS & { readonly directory: string }

const count = (value: number): string => value.toLocaleString('en')

function readOptions(): Options {
  const names = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: { ...Object.fromEntries(names.map((name) => [name, text])), directory: text },
  }) as { values: Readonly<Record<string, string | undefined>> }
  const numbers = names.map((name) => [name, readNumber(name, values[name])])
  return { ...(Object.fromEntries(numbers) as typeof DEFAULTS), directory: values.directory ?? './data/exchange' }
}

function readNumber(name: keyof typeof DEFAULTS, text: string | undefined): number {
  const value = Number(text ?? DEFAULTS[name])
  const least = name === 'rate' || name === 'seconds' || name === 'connections' ? 1 : 0
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new RangeError(`--${name} must be a whole number from ${least}`)
}

/** Prints every snapshot, and remembers when it ran. */
function followSnapshots({ snapshotter }: RunningExchange): { readonly spans: Span[]; readonly pauses: number[] } {
  const followed = { spans: [] as Span[], pauses: [] as number[] }
  snapshotter.on('forked', ({ pauseMs }) => followed.pauses.push(pauseMs))
  snapshotter.on('saved', (saved) => {
    const to = Date.now()
    followed.spans.push({ from: to - saved.totalMs, to })
    console.log(reportLine(saved))
  })
  snapshotter.on('failed', (error) => console.error(`a snapshot failed: ${explain(error)}`))
  return followed
}

function totals({ engine }: RunningExchange): Totals {
  return { orders: engine.orderId, trades: engine.tradeId }
}

async function start(options: Options): Promise<RunningExchange> {
  const { directory, port, interval, 'status-port': statusPort } = options
  const exchange = await startExchange({
    ...{ directory, port, statusPort, intervalMs: interval * 1000 },
    status: startStatusServer,
  })
  const { engine } = exchange
  console.log(
    `Node ${process.version}, ${os.availableParallelism()} cores, files in ${directory}, log synced for each answer`,
  )
  console.log(
    engine.orderId === 0
      ? 'a new exchange'
      : `restored ${count(engine.openOrders.size)} resting orders of ${count(engine.users.length)} users; ` +
          `${count(engine.orderId)} orders and ${count(engine.tradeId)} trades so far`,
  )
  console.log(`gRPC on port ${exchange.port}, status page: http://127.0.0.1:${exchange.statusPort}/`)
  return exchange
}

async function main(): Promise<void> {
  const options = readOptions()
  const { asked, hurry } = listenForStop()
  const exchange = await start(options)
  try {
    await trade(exchange, options, asked)
  } finally {
    console.log('a last snapshot')
    await exchange.close({ signal: hurry })
  }
}

async function trade(exchange: RunningExchange, options: Options, asked: Promise<NodeJS.Signals>): Promise<void> {
  const { seconds, interval, rate, connections, seed } = options
  const orders = Math.max(0, options.orders - exchange.engine.openOrders.size)
  if (orders > 0) console.log(`filling the books with ${count(orders)} orders`)
  const load = startLoadProcess({ port: exchange.port, connections, rate, seconds, seed, orders })
  void asked.then(() => load.stop())
  await load.started
  const before = totals(exchange)
  const { spans, pauses } = followSnapshots(exchange)
  console.log(`${count(rate)} requests a second for ${seconds} s, a snapshot every ${interval} s; Ctrl-C ends it early`)
  console.log(reportTitle())
  const report = await load.report
  console.log(summaryLines({ report, spans, pauses, before, after: totals(exchange) }).join('\n'))
  if (report.violations.count > 0) process.exitCode = 1
}

main().catch((error: unknown) => {
  console.error(explain(error))
  process.exitCode = 1
})

/**
 * An exchange behind gRPC with a million resting orders, each answer synced to the disk first, while snapshots are taken:
 * what clients feel of them, what they cost of the throughput, and what is left of a bare echo server's rate. Server and
 * load generator are processes of their own; with the child of a snapshot they share the cores.
 *
 *   node dist/bench/server.js [--json] [--orders 1000000] [--rounds 3] [--connections 4] [--flight 200]
 *                             [--span 5000] [--warmup 2000]
 *
 * `--rounds` snapshots are taken in each part, `--span` milliseconds apart; `--flight` requests at a time find the greatest
 * rate. The server runs with `--idle-snapshots`, as one should where everybody shares two cores; what the same costs with
 * children of the ordinary priority is measured beside it. It takes three to four minutes and says on standard error
 * what it does.
 */
import { availableParallelism } from 'node:os'
import { longestGap, splitLatencies, throughput } from '../examples/exchange/load/latency'
import type { LoadReport } from '../examples/exchange/load/run'
import { readArguments } from './lib/arguments'
import { canPin } from './lib/pin'
import { startProgram, type Program } from './lib/program'
import { printReport, type Figure } from './lib/report'
import { orderRate, runWithSaves, type Rate, type SavedRun } from './lib/server-load'
import { median } from './lib/statistics'

const settings = readArguments({ orders: 1_000_000, rounds: 3, connections: 4, flight: 200, span: 5000, warmup: 2000 })
const GAP_ALLOWANCE_MS = 20
/** Of a single processor; what is left over is the time in which nobody had anything to do. */
const percent = (value: number): string => `${Math.round(value * 100)} %`

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

function tell(what: string): void {
  console.error(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${what}`)
}

interface OrderRates {
  readonly exchange: Rate[]
  readonly echo: Rate[]
}

/** Both servers in turn, so that whatever the machine does meets both. */
async function orderRates(server: Program): Promise<OrderRates> {
  const echo = await startProgram('echo-program')
  const rates: OrderRates = { exchange: [], echo: [] }
  for (let i = 0; i < settings.rounds; i++) {
    rates.exchange.push(await orderRate(server, settings))
    rates.echo.push(await orderRate(echo, settings))
    tell(`orders a second: exchange ${rateText(rates.exchange[i])}, echo ${rateText(rates.echo[i])}`)
  }
  await echo.end()
  return rates
}

function rateText({ perSecond, serverCpu, loadCpu }: Rate): string {
  return `${Math.round(perSecond)} (server ${percent(serverCpu)} of a core, generator ${percent(loadCpu)})`
}

function throughputFigures({ report, saves, quiet }: SavedRun) {
  const during = saves.map((span) => throughput(report.samples, span))
  const without = quiet.map((span) => throughput(report.samples, span))
  return { during, without, ratio: mean(during) / mean(without) }
}

/** Time of the server's for one request, in microseconds. */
function cpuFigures({ report, saves, quiet }: SavedRun) {
  const [during, without] = [saves, quiet].map((spans) =>
    spans.map((span) => (span.cpuMs * 1e6) / (throughput(report.samples, span) * (span.to - span.from))),
  )
  return { during, without, ratio: mean(without) / mean(during) }
}

function gapFigures({ report, saves, quiet }: SavedRun) {
  const during = saves.map((span) => longestGap(report.samples, span))
  const without = quiet.map((span) => longestGap(report.samples, span))
  const pauses = saves.map(({ pauseMs }) => pauseMs)
  // The worst of all is what the limit speaks of.
  const over = Math.max(...during.map((gap, i) => gap - pauses[i]))
  return { during, without, pauses, over, limit: Math.max(...without) + GAP_ALLOWANCE_MS }
}

interface Ordinary {
  readonly shared: SavedRun
  /** The child on the processor of the server, the generator alone on the other. */
  readonly withServer: SavedRun
  /** The child on the processor of the generator, the server alone on the other. */
  readonly withLoad: SavedRun
}

/** With children of the ordinary priority: undefined where processors cannot be chosen, or where there is only one. */
async function runOrdinary(): Promise<Ordinary | undefined> {
  if (!canPin() || availableParallelism() < 2) return undefined
  tell('another server, whose snapshots have the ordinary priority')
  const server = await startProgram('exchange-program', [String(settings.orders)])
  const run = { rate: Infinity, rounds: Math.ceil(settings.rounds / 2) }
  const shared = await runWithSaves(server, settings, run)
  tell('the child on the core of the server')
  const withServer = await runWithSaves(server, settings, { ...run, place: { server: '0', load: '1', child: '0' } })
  tell('the child on the core of the generator')
  const withLoad = await runWithSaves(server, settings, { ...run, place: { server: '0', load: '1', child: '1' } })
  await server.end()
  return { shared, withServer, withLoad }
}

function figure(name: string, unit: string, values: readonly number[]): Figure {
  return { name, unit, values }
}

function ordinaryFigures({ shared, withServer, withLoad }: Ordinary): Figure[] {
  const [plain, beside, apart] = [shared, withServer, withLoad].map(throughputFigures)
  const cpu = cpuFigures(withLoad)
  return [
    figure('ordinary priority: greatest rate, no snapshot', 'requests/s', plain.without),
    figure('  snapshot running', 'requests/s', plain.during),
    figure("  pinned, the child on the server's core", 'requests/s', beside.during),
    figure('  pinned, no snapshot', 'requests/s', [...beside.without, ...apart.without]),
    figure("  pinned, the child on the generator's core", 'requests/s', apart.during),
    figure("  there the server's time for a request, snapshot", 'us', cpu.during),
    figure("  there the server's time for a request, no snapshot", 'us', cpu.without),
  ]
}

function notes(runs: Measured): string[] {
  const { full, steady, half, durable, ordinary } = runs
  const { report } = full
  const servers = full.quiet.map((span) => span.cpuMs / (span.to - span.from))
  const cost = (rates: readonly Rate[]): number => median(rates.map((rate) => (rate.serverCpu * 1e6) / rate.perSecond))
  const notes = [
    `${availableParallelism()} cores, shared by server, load generator and child; half the greatest rate is ${half}/s`,
    `at the greatest rate the server used ${percent(median(servers))} of one core, the generator ${percent(report.cpuMs / report.elapsedMs)}`,
    `${steady.report.heldBack} requests were held back, ${steady.report.planned - steady.report.sent} never sent`,
    `an order takes ${cost(durable.exchange).toFixed(0)} us of the exchange's time and ${cost(durable.echo).toFixed(0)} us of the echo's`,
  ]
  if (ordinary === undefined) return notes
  const [plain, beside, apart] = [ordinary.shared, ordinary.withServer, ordinary.withLoad].map(throughputFigures)
  return [
    ...notes,
    `a child of the ordinary priority leaves ${percent(plain.ratio)} of the rate; pinned to the server's core ` +
      `${percent(beside.ratio)}, to the generator's ${percent(apart.ratio)}`,
    'a third core would take the child from both, and leave what it costs the server itself, which has to copy pages: ' +
      `${percent(cpuFigures(ordinary.withLoad).ratio)} by the server's time for a request on a core of its own`,
  ]
}

interface Measured {
  readonly full: SavedRun
  readonly steady: SavedRun
  readonly half: number
  readonly durable: OrderRates
  readonly ordinary: Ordinary | undefined
}

async function measure(): Promise<Measured> {
  const { orders, rounds } = settings
  tell(`filling the books with ${orders} orders`)
  const server = await startProgram('exchange-program', [String(orders), 'idle'])
  tell(`greatest rate, ${rounds} snapshots`)
  const full = await runWithSaves(server, settings, { rate: Infinity, rounds })
  const half = Math.max(1, Math.round(median(throughputFigures(full).without) / 2))
  tell(`half of it, ${half} requests a second, ${rounds} snapshots`)
  const steady = await runWithSaves(server, settings, { rate: half, rounds })
  const durable = await orderRates(server)
  await server.end()
  const ordinary = await runOrdinary()
  tell('done')
  return { full, steady, half, durable, ordinary }
}

async function main(): Promise<void> {
  const { orders, rounds } = settings
  const measured = await measure()
  const { full, steady, durable, ordinary } = measured
  const rates = throughputFigures(full)
  const warm = steady.report.startedAt + settings.warmup
  const { during, outside } = splitLatencies(after(steady.report.samples, warm), steady.saves)
  const gaps = gapFigures(steady)
  const saves = [...full.saves, ...steady.saves]
  const [exchange, echo] = [durable.exchange, durable.echo].map((list) => list.map(({ perSecond }) => perSecond))
  printReport(
    {
      bench: 'server',
      subject: `gRPC, ${orders} resting orders, every answer durable, ${rounds} snapshots in each part`,
      figures: [
        figure('greatest rate, no snapshot', 'requests/s', rates.without),
        figure('greatest rate, snapshot running', 'requests/s', rates.during),
        figure('p50, no snapshot', 'ms', [outside.p50]),
        figure('p50, snapshot running', 'ms', [during.p50]),
        figure('p99, no snapshot', 'ms', [outside.p99]),
        figure('p99, snapshot running', 'ms', [during.p99]),
        figure('p99.9, no snapshot', 'ms', [outside.p999]),
        figure('p99.9, snapshot running', 'ms', [during.p999]),
        figure('longest gap in answers, no snapshot', 'ms', gaps.without),
        figure('longest gap in answers, snapshot', 'ms', gaps.during),
        figure('pause', 'ms', gaps.pauses),
        figure('snapshot, from begin to publication', 's', saves.map(({ from, to }) => (to - from) / 1000)), // prettier-ignore
        figure('durable orders, exchange', '1/s', exchange),
        figure('durable orders, bare echo', '1/s', echo),
        ...(ordinary === undefined ? [] : ordinaryFigures(ordinary)),
      ],
      targets: [
        { name: 'p99.9 with / without a snapshot', measured: during.p999 / outside.p999, limit: 3, kind: 'at-most' },
        { name: 'longest gap beyond the pause, ms', measured: gaps.over, limit: gaps.limit, kind: 'at-most' },
        { name: 'greatest rate with / without a snapshot', measured: rates.ratio, limit: 0.6, kind: 'at-least' },
        { name: 'durable orders, exchange / echo', measured: median(exchange) / median(echo), limit: 0.6, kind: 'at-least' }, // prettier-ignore
      ],
      notes: notes(measured),
    },
    settings.json,
  )
}

/** The samples of requests that were due from a time on. */
function after({ intended, sent, done }: LoadReport['samples'], time: number): LoadReport['samples'] {
  const keep = (_: number, i: number): boolean => intended[i] >= time
  const kept = { intended: intended.filter(keep), sent: sent.filter(keep), done: done.filter(keep) }
  return { ...kept, count: kept.done.length }
}

main().catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})

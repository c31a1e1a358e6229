/**
 * An exchange behind gRPC with a million resting orders, each answer synced to the disk first, while snapshots are taken:
 * what clients feel of them, what they cost of the throughput, and what is left of a bare echo server's rate. Server and
 * load generator are processes of their own; with the child of a snapshot they share the cores.
 *
 *   node dist/bench/server.js [--json] [--orders 1000000] [--rounds 5] [--connections 4] [--flight 200] [--seconds 6]
 *
 * `--rounds` snapshots are taken in each part, `--seconds` apart; `--flight` requests at a time find the greatest rate.
 */
import { availableParallelism } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { longestGap, splitLatencies, throughput, type Span } from '../examples/exchange/load/latency'
import type { LoadOptions } from '../examples/exchange/load/options'
import { startLoadProcess } from '../examples/exchange/load/process'
import type { LoadReport } from '../examples/exchange/load/run'
import { readArguments } from './lib/arguments'
import type { SaveFigures } from './lib/exchange-program'
import { startProgram, type Program } from './lib/program'
import { printReport, type Figure } from './lib/report'
import { median } from './lib/statistics'

const settings = readArguments({ orders: 1_000_000, rounds: 5, connections: 4, flight: 200, seconds: 6 })
/** Compilers and connections are warm after this. */
const WARM_UP_MS = 3000
const GAP_ALLOWANCE_MS = 20
const USERS = 200

interface SavedRun {
  readonly report: LoadReport
  readonly saves: readonly SaveFigures[]
  /** Before each save a span of the same length, without a snapshot. */
  readonly quiet: readonly Span[]
  /** Of one processor, how much the server used. */
  readonly serverCpu: number
}

function check(report: LoadReport): LoadReport {
  const { count, first } = report.violations
  if (count > 0) throw new Error(`${count} answers were wrong: ${first.join('; ')}`)
  return report
}

function load(port: number, options: Partial<LoadOptions>) {
  const { connections } = settings
  return startLoadProcess({ port, connections, users: USERS, inFlight: settings.flight, audit: false, ...options })
}

/** Loads the server for as long as the snapshots take. */
async function runWithSaves(server: Program, rate: number): Promise<SavedRun> {
  const { rounds, seconds } = settings
  const generator = load(server.port, { rate, seconds: 3600, ...(rate === Infinity ? {} : { inFlight: 10_000 }) })
  await generator.started
  await setTimeout(WARM_UP_MS)
  const begun = { at: performance.now(), cpu: await cpuMs(server) }
  const saves: SaveFigures[] = []
  for (let i = 0; i < rounds; i++) {
    await setTimeout(seconds * 1000)
    saves.push((await server.ask('save')) as SaveFigures)
  }
  const serverCpu = ((await cpuMs(server)) - begun.cpu) / (performance.now() - begun.at)
  generator.stop()
  const report = check(await generator.report)
  const quiet = saves.map(({ from, to }) => ({ from: from - Math.min(to - from, seconds * 900), to: from }))
  return { report, saves, quiet, serverCpu }
}

async function cpuMs(server: Program): Promise<number> {
  const { user, system } = (await server.ask('cpu')) as NodeJS.CpuUsage
  return (user + system) / 1000
}

/** Orders a second, durable, as many as there can be. */
async function orderRate(server: Program): Promise<number> {
  const generator = load(server.port, { rate: Infinity, seconds: settings.seconds + WARM_UP_MS / 1000, mix: 'orders' })
  const { samples, startedAt } = check(await generator.report)
  const from = startedAt + WARM_UP_MS
  return throughput(samples, { from, to: from + settings.seconds * 1000 })
}

async function orderRates(server: Program): Promise<{ readonly exchange: number[]; readonly echo: number[] }> {
  const echo = await startProgram('echo-program')
  const rates = { exchange: [] as number[], echo: [] as number[] }
  for (let i = 0; i < settings.rounds; i++) {
    rates.exchange.push(await orderRate(server))
    rates.echo.push(await orderRate(echo))
  }
  await echo.end()
  return rates
}

function throughputFigures({ report, saves, quiet }: SavedRun) {
  const during = saves.map((span) => throughput(report.samples, span))
  const without = quiet.map((span) => throughput(report.samples, span))
  return { during, without, ratio: median(during.map((rate, i) => rate / without[i])) }
}

function gapFigures({ report, saves, quiet }: SavedRun) {
  const during = saves.map((span) => longestGap(report.samples, span))
  const without = quiet.map((span) => longestGap(report.samples, span))
  const pauses = saves.map(({ pauseMs }) => pauseMs)
  // The worst of all is what the limit speaks of.
  const over = Math.max(...during.map((gap, i) => gap - pauses[i]))
  return { during, without, pauses, over, limit: Math.max(...without) + GAP_ALLOWANCE_MS }
}

function figure(name: string, unit: string, values: readonly number[]): Figure {
  return { name, unit, values }
}

function notes(full: SavedRun, steady: SavedRun, half: number): string[] {
  const { report, serverCpu } = full
  const generatorCpu = report.cpuMs / report.elapsedMs
  const share = (value: number): string => `${Math.round(value * 100)} %`
  return [
    `${availableParallelism()} cores, shared by server, load generator and child; half the greatest rate is ${half}/s`,
    `at the greatest rate the server used ${share(serverCpu)} of one core, the generator ${share(generatorCpu)}`,
    `${steady.report.heldBack} requests were held back, ${steady.report.planned - steady.report.sent} never sent`,
  ]
}

async function main(): Promise<void> {
  const { orders, rounds } = settings
  const server = await startProgram('exchange-program', [String(orders)])
  const full = await runWithSaves(server, Infinity)
  const rates = throughputFigures(full)
  const half = Math.max(1, Math.round(median(rates.without) / 2))
  const steady = await runWithSaves(server, half)
  const durable = await orderRates(server)
  await server.end()

  const { samples } = steady.report
  const warm = steady.report.startedAt + WARM_UP_MS
  const { during, outside } = splitLatencies(after(samples, warm), steady.saves)
  const gaps = gapFigures(steady)
  const saves = [...full.saves, ...steady.saves]
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
        figure('durable orders, exchange', '1/s', durable.exchange),
        figure('durable orders, bare echo', '1/s', durable.echo),
      ],
      targets: [
        { name: 'p99.9 with / without a snapshot', measured: during.p999 / outside.p999, limit: 3, kind: 'at-most' },
        { name: 'longest gap beyond the pause, ms', measured: gaps.over, limit: gaps.limit, kind: 'at-most' },
        { name: 'greatest rate with / without a snapshot', measured: rates.ratio, limit: 0.6, kind: 'at-least' },
        {
          name: 'durable orders, exchange / echo',
          measured: median(durable.exchange) / median(durable.echo),
          limit: 0.6,
          kind: 'at-least',
        },
      ],
      notes: notes(full, steady, half),
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

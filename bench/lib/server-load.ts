/** How `bench/server.ts` loads a server, with snapshots and without. */
import { setTimeout } from 'node:timers/promises'
import { throughput, type Span } from '../../examples/exchange/load/latency'
import type { LoadOptions } from '../../examples/exchange/load/options'
import { startLoadProcess, type LoadProcess } from '../../examples/exchange/load/process'
import type { LoadReport } from '../../examples/exchange/load/run'
import type { SaveFigures } from './exchange-program'
import { childOf, pin } from './pin'
import type { Program } from './program'

const USERS = 200
/** Bounds an open loop: what is held back beyond it is told. */
const OPEN_LOOP_IN_FLIGHT = 10_000

export interface LoadSettings {
  readonly connections: number
  readonly flight: number
  /** Between two snapshots, and of each rate that is measured, in milliseconds. */
  readonly span: number
  /** After which compilers and connections are warm, in milliseconds. */
  readonly warmup: number
}

/** Processors of server, generator and child. */
export interface Place {
  readonly server: string
  readonly load: string
  readonly child: string
}

export interface Quiet extends Span {
  readonly cpuMs: number
}

export interface SavedRun {
  readonly report: LoadReport
  readonly saves: readonly SaveFigures[]
  /** Before each save a span without a snapshot, and what the server used of processors in it. */
  readonly quiet: readonly Quiet[]
}

export interface Rate {
  readonly perSecond: number
  /** Of one processor, how much the server and the generator used. */
  readonly serverCpu: number
  readonly loadCpu: number
}

function check(report: LoadReport): LoadReport {
  const { count, first } = report.violations
  if (count > 0) throw new Error(`${count} answers were wrong: ${first.join('; ')}`)
  return report
}

async function cpuMs(server: Program): Promise<number> {
  const { user, system } = (await server.ask('cpu')) as NodeJS.CpuUsage
  return (user + system) / 1000
}

function load(port: number, { connections, flight }: LoadSettings, options: Partial<LoadOptions>): LoadProcess {
  return startLoadProcess({ port, connections, users: USERS, inFlight: flight, audit: false, ...options })
}

/** Loads the exchange for as long as so many snapshots take. The rate is that of requests a second, or Infinity. */
export async function runWithSaves(
  server: Program,
  settings: LoadSettings,
  { rate, rounds, place }: { readonly rate: number; readonly rounds: number; readonly place?: Place },
): Promise<SavedRun> {
  const openLoop = rate === Infinity ? {} : { inFlight: OPEN_LOOP_IN_FLIGHT }
  const generator = load(server.port, settings, { rate, seconds: 3600, ...openLoop })
  await generator.started
  if (place !== undefined) {
    pin(server.pid, place.server)
    pin(generator.pid, place.load)
  }
  await setTimeout(settings.warmup)
  const saves: SaveFigures[] = []
  const quiet: Quiet[] = []
  for (let i = 0; i < rounds; i++) {
    quiet.push(await quietSpan(server, settings.span))
    const saving = server.ask('save')
    if (place !== undefined) pin(await childOf(server.pid), place.child)
    saves.push((await saving) as SaveFigures)
  }
  generator.stop()
  return { report: check(await generator.report), saves, quiet }
}

async function quietSpan(server: Program, ms: number): Promise<Quiet> {
  const before = await cpuMs(server)
  const from = Date.now()
  await setTimeout(ms)
  const to = Date.now()
  return { from, to, cpuMs: (await cpuMs(server)) - before }
}

/** Durable orders a second, as many as there can be: the same for every server. */
export async function orderRate(server: Program, settings: LoadSettings): Promise<Rate> {
  const { span, warmup } = settings
  const generator = load(server.port, settings, { rate: Infinity, seconds: (warmup + span) / 1000, mix: 'orders' })
  await generator.started
  await setTimeout(settings.warmup)
  const before = await cpuMs(server)
  const from = Date.now()
  const { samples, startedAt, cpuMs: used, elapsedMs } = check(await generator.report)
  // The server is idle once the last answer is given.
  const serverMs = (await cpuMs(server)) - before
  const to = startedAt + warmup + span
  return { perSecond: throughput(samples, { from, to }), serverCpu: serverMs / (to - from), loadCpu: used / elapsedMs }
}

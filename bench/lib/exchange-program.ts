/**
 * The exchange server of `bench/server.ts` in a process of its own: fills the books, then does what its parent says. The
 * orders of the filling are not logged: they are in the first slice.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Flow } from '../../examples/exchange/flow'
import { startExchange, type RunningExchange } from '../../examples/exchange/server/start'
import { serveParent } from './program'

export interface SaveFigures {
  /** From the beginning of the save to its publication, in milliseconds since the epoch. */
  readonly from: number
  readonly to: number
  readonly pauseMs: number
  readonly forkMs: number
  readonly childMs: number
  readonly rows: number
  readonly cowBytes: number
  /** Time of processors that the server used meanwhile, its child not counted. */
  readonly cpuMs: number
}

async function save(exchange: RunningExchange): Promise<SaveFigures> {
  const cpuBefore = process.cpuUsage()
  const { pauseMs, forkMs, childMs, rows, cowBytes, totalMs } = await exchange.save()
  const to = Date.now()
  const { user, system } = process.cpuUsage(cpuBefore)
  const cpuMs = (user + system) / 1000
  return { from: to - totalMs, to, pauseMs, forkMs, childMs, rows, cowBytes, cpuMs }
}

async function main(orders: number, idleSnapshots: boolean): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'forksnap-bench-server-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const exchange = await startExchange({ directory, port: 0, intervalMs: 0, log: 'always', idleSnapshots })
  const flow = new Flow(exchange.engine, { seed: 1 })
  for (const _ of flow.filling(orders, Date.now())) continue
  await save(exchange)
  await serveParent(exchange.port, { save: () => save(exchange), cpu: () => Promise.resolve(process.cpuUsage()) })
  await exchange.close({ save: false })
}

void main(Number(process.argv[2]), process.argv[3] === 'idle')

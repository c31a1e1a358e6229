/** Starts each method in a process of its own, one after the other, and collects what they print. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../../src/addon-files'
import { packedHeapEnvironment, packedHeapLibrary } from '../../../src/packed-heap'
import { host, short } from '../report'
import { benchFolder } from './folders'
import type { Method, Sample } from './method'
import { METHODS, methodOf } from './methods'
import { redisVersion } from './redis-server'
import { type Comparison, missing, type Outcome, outcomeOf, summaryOf } from './results'

const GB = 1e9
/** A process without any records, and the system's other programs. */
const SPARE_BYTES = 0.7 * GB
const HEAP_SPARE_MB = 512
const LIMIT_MS = 20 * 60_000
const OUTPUT_BYTES_MAX = 64 << 20
/** A child that outlives a killed method may still be writing its file. */
const REMOVALS_MAX = 10

export interface CompareOptions {
  readonly sizes: readonly number[]
  readonly rounds: number
  readonly methods: readonly string[]
}

/** The version of `better-sqlite3`, or undefined where it is not installed. */
function sqliteVersion(): string | undefined {
  try {
    const file = join(benchFolder(), 'package.json')
    return (createRequire(file)('better-sqlite3/package.json') as { version: string }).version
  } catch {
    return undefined
  }
}

/** Why a method cannot be tried here at all. */
function absence({ id }: Method): string | undefined {
  if (id === 'redis' && redisVersion() === undefined) return 'there is no redis-server on the path'
  if (id === 'sqlite' && sqliteVersion() === undefined)
    return 'better-sqlite3 is not installed: npm run bench does that'
  if (id === 'packed') {
    const library = packedHeapLibrary()
    if ('problem' in library) return library.problem
  }
  if (id === 'floor' && !existsSync(join(packageRoot(), 'build', 'bench', 'fork_floor'))) {
    return 'the C program is not built: npm run build:bench'
  }
  return undefined
}

/** Why a method is not tried with so many records; undefined if it can be. `available` is in bytes. */
export function reasonAgainst(method: Method, records: number, available: number): string | undefined {
  const { most, estimatedBytesPerRecord } = method
  if (most !== undefined && records > most.records) return most.reason
  const needed = records * estimatedBytesPerRecord + SPARE_BYTES
  if (needed <= available) return undefined
  return `it needs about ${short(needed / GB)} GB of memory, and ${short(available / GB)} GB are free`
}

function environmentOf(id: string): NodeJS.ProcessEnv {
  if (id !== 'packed') return process.env
  const library = packedHeapLibrary()
  return 'path' in library ? packedHeapEnvironment(process.env, library.path, false) : process.env
}

function runMethod(method: Method, records: number, rounds: number): Outcome {
  const { id, estimatedBytesPerRecord } = method
  const reason = absence(method) ?? reasonAgainst(method, records, process.availableMemory())
  if (reason !== undefined) return missing(id, records, reason)
  const heapMb = Math.ceil((records * estimatedBytesPerRecord) / 2 ** 20) + HEAP_SPARE_MB
  // Made here, and removed here too: a process that is killed leaves its files.
  const folder = mkdtempSync(join(tmpdir(), 'forksnap-compare-'))
  const program = [join(__dirname, 'program.js'), id, String(records), String(rounds), folder]
  const result = spawnSync(process.execPath, [`--max-old-space-size=${heapMb}`, ...program], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: OUTPUT_BYTES_MAX,
    env: environmentOf(id),
    timeout: LIMIT_MS,
  })
  rmSync(folder, { recursive: true, force: true, maxRetries: REMOVALS_MAX })
  if (result.error !== undefined || result.status !== 0) {
    const said = result.stderr.trim().split('\n').at(-1) ?? ''
    const how = result.signal === null ? `code ${result.status}` : result.signal
    return missing(id, records, `its process ended with ${how}${said === '' ? '' : `: ${said}`}`)
  }
  return outcomeOf(id, records, JSON.parse(result.stdout) as Sample[])
}

function progressLine(outcome: Outcome): string {
  const { label } = methodOf(outcome.method)
  const start = `${outcome.records.toLocaleString('en-US').padStart(10)}  ${label}: `
  if (outcome.missing !== undefined) return `${start}left out, ${outcome.missing}`
  const { pauseMs, totalMs } = summaryOf(outcome)
  const text = (ms: number | null): string => (ms === null ? 'none' : `${short(ms)} ms`)
  return `${start}pause ${text(pauseMs)}, in all ${text(totalMs)}`
}

/** `tell` gets a line for each method and size. */
export function compare({ sizes, rounds, methods }: CompareOptions, tell: (line: string) => void): Comparison {
  const outcomes: Outcome[] = []
  for (const records of sizes) {
    for (const method of METHODS.filter(({ id }) => methods.includes(id))) {
      const outcome = runMethod(method, records, rounds)
      outcomes.push(outcome)
      tell(progressLine(outcome))
    }
  }
  const versions = { Redis: redisVersion(), 'better-sqlite3': sqliteVersion() }
  const known = Object.entries(versions).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    bench: 'compare',
    takenAt: new Date().toISOString(),
    rounds,
    host: host(),
    versions: Object.fromEntries(known),
    outcomes,
  }
}

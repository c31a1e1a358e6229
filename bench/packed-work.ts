/**
 * What a packed heap costs a program that takes no snapshot: the TypeScript compile of this project, a Jest run of some of its
 * unit tests in one process, and a loop that allocates; with a scattered heap and with a packed one in turn.
 *
 *   node dist/bench/packed-work.js [--json] [--pairs 7] [--only compile|jest|allocate]
 *
 * Linux only. A ratio is the median of those of the pairs.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../src/addon-files'
import { packedHeapEnvironment, packedHeapLibrary } from '../src/packed-heap'
import type { Usage } from './lib/report-usage'
import { printReport, type Figure, type Target } from './lib/report'
import { median } from './lib/statistics'

const root = packageRoot()
const JEST_TESTS = ['binding', 'oplog-decode', 'slice-round-trip'].map((name) => `test/unit/${name}`)

const loads: Record<string, readonly string[]> = {
  compile: [join(root, 'node_modules/typescript/lib/tsc.js'), '-p', join(root, 'tsconfig.json'), '--noEmit'],
  jest: [join(root, 'node_modules/jest/bin/jest.js'), '--runInBand', '--silent', ...JEST_TESTS],
  allocate: [join(__dirname, 'lib/churn-program.js')],
}

interface Run extends Usage {
  readonly ms: number
}

const library = packedHeapLibrary()
if (!('path' in library)) throw new Error(library.problem)
const packedEnvironment = packedHeapEnvironment(process.env, library.path, false)
const folder = mkdtempSync(join(tmpdir(), 'forksnap-work-'))
process.on('exit', () => rmSync(folder, { recursive: true }))

function run(load: string, packed: boolean): Run {
  const file = join(folder, 'usage')
  const begun = performance.now()
  const { status, stderr } = spawnSync(
    process.execPath,
    ['-r', join(__dirname, 'lib/report-usage.js'), ...loads[load]],
    {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, BENCH_USAGE: file, ...(packed ? packedEnvironment : {}) },
    },
  )
  const ms = performance.now() - begun
  if (status !== 0) throw new Error(`${load} ended with ${status}: ${stderr}`)
  return { ms, ...(JSON.parse(readFileSync(file, 'utf8')) as Usage) }
}

interface Pair {
  readonly scattered: Run
  readonly packed: Run
}

function runPairs(load: string, pairs: number): Pair[] {
  // One that is not counted brings the files into memory.
  run(load, false)
  return Array.from({ length: pairs }, (_, i) => {
    const order = i % 2 === 0 ? [false, true] : [true, false]
    const [first, second] = order.map((packed) => run(load, packed))
    return order[0] ? { packed: first, scattered: second } : { packed: second, scattered: first }
  })
}

const processorMs = ({ userMs, systemMs }: Run): number => userMs + systemMs

function figures(load: string, pairs: readonly Pair[]): Figure[] {
  return (['scattered', 'packed'] as const).flatMap((which) => {
    const column = (pick: (run: Run) => number): number[] => pairs.map((pair) => pick(pair[which]))
    return [
      { name: `${load}, ${which}: time`, unit: 'ms', values: column(({ ms }) => ms) },
      { name: '  of processors', unit: 'ms', values: column(processorMs) },
      { name: "  of that the system's", unit: 'ms', values: column(({ systemMs }) => systemMs) },
      { name: '  most resident at a time', unit: 'MB', values: column(({ peakBytes }) => peakBytes / 1e6) },
    ]
  })
}

function targets(load: string, pairs: readonly Pair[]): Target[] {
  const ratio = (pick: (run: Run) => number): number => median(pairs.map((pair) => pick(pair.packed) / pick(pair.scattered))) // prettier-ignore
  return [
    { name: `${load}: time, packed / scattered`, measured: ratio(({ ms }) => ms), limit: 1.05, kind: 'at-most' },
    { name: `${load}: processors, packed / scattered`, measured: ratio(processorMs), limit: 1.05, kind: 'at-most' },
    { name: `${load}: memory, packed / scattered`, measured: ratio((one) => one.peakBytes), limit: 1.1, kind: 'at-most' }, // prettier-ignore
  ]
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    pairs: { type: 'string', default: '7' },
    only: { type: 'string' },
  },
})
const names = Object.keys(loads).filter((name) => values.only === undefined || values.only === name)
const count = Number(values.pairs)
if (names.length === 0 || !(count >= 1))
  throw new RangeError('--only takes compile, jest or allocate, --pairs a number')
const measured = names.map((load) => [load, runPairs(load, count)] as const)

printReport(
  {
    bench: 'packed-work',
    subject: `${names.join(', ')}; ${count} pairs of a scattered and a packed heap`,
    figures: measured.flatMap(([load, pairs]) => figures(load, pairs)),
    targets: measured.flatMap(([load, pairs]) => targets(load, pairs)),
  },
  values.json,
)

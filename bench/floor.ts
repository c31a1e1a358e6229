/**
 * The floor of the pause: what a snapshot's pause costs for each gigabyte of an ordinary heap, and what the `fork()` of a plain C
 * program with the same mappings and resident pages costs, measured in turn so that the machine's moods hit both. Each
 * round is a process of its own for each size, since only the first fork of a process finds all its pages writable.
 *
 *   node dist/bench/floor.js [--json] [--full] [--gb 0.1,0.5,1,2] [--rounds 6] [--forks 6]
 *
 * Needs Linux, `npm run build:bench`, and twice as much memory as the largest heap; a size for which there is too
 * little is left out, and named. `--full` goes up to 8 GB.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { FloorSamples } from './lib/floor-round'
import { PAUSE_PARTS, type PauseSample } from './lib/pause-sample'
import { printReport, type Figure, type Target } from './lib/report'
import { median, slope } from './lib/statistics'

const { values: given } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    gb: { type: 'string' },
    rounds: { type: 'string', default: '6' },
    forks: { type: 'string', default: '6' },
  },
})
const sizes = (given.gb ?? (given.full ? '0.1,0.5,1,2,4,8' : '0.1,0.5,1,2')).split(',').map(Number)
const [rounds, forks] = [Number(given.rounds), Number(given.forks)]
if (![...sizes, rounds, forks].every((value) => value > 0)) throw new RangeError('sizes and counts must be above 0')

/** The C program's pages come on top, and what the lists of mappings take meanwhile. */
const NEEDED_FACTOR = 2.3
const NEEDED_MORE_GB = 1
const LEAST_MB = 0.001

function availableGb(): number {
  const kilobytes = /^MemAvailable: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1]
  return (Number(kilobytes) * 1024) / 1e9
}

function runRound(gb: number, round: number): FloorSamples {
  const program = join(__dirname, 'lib', 'floor-round.js')
  const megabytes = Math.max(gb * 1000, LEAST_MB)
  const heapLimit = `--max-old-space-size=${Math.ceil(megabytes * 1.5) + 500}`
  const output = execFileSync(process.execPath, [heapLimit, program, ...[megabytes, forks, round].map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output) as FloorSamples
}

const bySize = new Map<number, FloorSamples[]>()
const leftOut: number[] = []
for (let round = 0; round < rounds; round++) {
  for (const gb of [0, ...sizes]) {
    if (availableGb() < gb * NEEDED_FACTOR + NEEDED_MORE_GB) leftOut.push(gb)
    else bySize.set(gb, [...(bySize.get(gb) ?? []), runRound(gb, round)])
  }
}

type Pick = (sample: FloorSamples) => number
const laterPart =
  (part: keyof PauseSample): Pick =>
  ({ laterPauses }) =>
    median(laterPauses.map((pause) => pause[part]))
const firstPause: Pick = ({ firstPause }) => firstPause.pauseMs
const firstFloor: Pick = ({ firstFloorMs }) => firstFloorMs
const laterPause = laterPart('pauseMs')
const laterFloor: Pick = ({ refloorMs }) => median(refloorMs)
const gigabytes: Pick = ({ residentBytes }) => residentBytes / 1e9

const figures: Figure[] = []
for (const [gb, samples] of bySize) {
  const add = (name: string, unit: string, pick: Pick): void => {
    figures.push({ name, unit, values: samples.map(pick) })
  }
  add(gb === 0 ? 'empty process: resident' : `${gb} GB: resident`, 'MB', (one) => one.residentBytes / 1e6)
  add('  mappings', '', (one) => one.mappings)
  add('  page tables', 'MB', (one) => one.pageTableBytes / 1e6)
  add('  first pause', 'ms', firstPause)
  for (const part of PAUSE_PARTS) add(`    ${part.slice(0, -2)}`, 'ms', (one) => one.firstPause[part])
  add('  first fork() of plain C', 'ms', firstFloor)
  add('  later pauses', 'ms', laterPause)
  for (const part of PAUSE_PARTS) add(`    ${part.slice(0, -2)}`, 'ms', laterPart(part))
  add('  later fork() of plain C, no page written', 'ms', laterFloor)
  add('  later fork() of plain C, all pages written', 'ms', ({ rewrittenFloorMs }) => median(rewrittenFloorMs))
  add('  first pause / plain C', '', (one) => firstPause(one) / firstFloor(one))
  add('  later pause / plain C', '', (one) => laterPause(one) / laterFloor(one))
}

/** Milliseconds for each gigabyte more: over the sizes of one round, so that it is one mood of the machine. */
function slopes(pick: Pick): number[] {
  return Array.from({ length: rounds }, (_, round) => {
    const samples = [...bySize.values()].flatMap((ofSize) => ofSize[round] ?? [])
    return slope(samples.map((sample) => [gigabytes(sample), pick(sample)]))
  })
}

const pairs = [
  ['first', slopes(firstPause), slopes(firstFloor)],
  ['later', slopes(laterPause), slopes(laterFloor)],
] as const
const targets: Target[] = []
for (const [which, pauses, floors] of pairs) {
  figures.push({ name: `${which} pause, each GB more`, unit: 'ms', values: pauses })
  figures.push({ name: `${which} fork() of plain C, each GB more`, unit: 'ms', values: floors })
  const measured = median(pauses.map((pause, round) => pause / (floors[round] ?? NaN)))
  targets.push({ name: `${which} pause per GB / plain C`, measured, limit: 1.1, kind: 'at-most' })
}

const ordered = [...bySize.values()].flat().every(({ physicalOrder }) => physicalOrder)

printReport(
  {
    bench: 'floor',
    subject: `heaps of ${sizes.join(', ')} GB, ${rounds} processes each, ${forks} later forks each`,
    figures,
    targets,
    notes: [
      ordered
        ? "The plain C program's pages came in the order of the measured process's physical memory."
        : "The plain C program's pages came chunk by chunk at random: the kernel tells the order of physical memory to root only.",
      ...(leftOut.length === 0 ? [] : [`Left out for want of memory (GB): ${leftOut.join(', ')}`]),
    ],
  },
  given.json,
)

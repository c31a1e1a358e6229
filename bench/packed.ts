/**
 * The pause of a snapshot with the heap packed into huge pages, against that of the same heap as V8 scatters it, and that of an empty
 * process. While each child lives, one in a hundred of the heap's pages is written, which splits huge pages; judged by the
 * fifth to the last snapshot, since the first ones find the heap as it was built.
 *
 *   node dist/bench/packed.js [--json] [--megabytes 1500] [--snapshots 10]
 *
 * Linux only. Needs twice as much memory as the heap has.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { packedHeapEnvironment, packedHeapLibrary } from '../src/packed-heap'
import { readArguments } from './lib/arguments'
import { isPacked } from './lib/packed-heap'
import type { PackedSample, PackedSamples } from './lib/packed-round'
import { printReport, type Figure } from './lib/report'
import { median, quantile } from './lib/statistics'

if (isPacked()) throw new Error('this benchmark compares both heaps and starts in neither')
const { json, megabytes, snapshots } = readArguments({ megabytes: 1_500, snapshots: 10 })
/** Snapshots before this one, counted from 0, find the heap as it was built. */
const JUDGED_FROM = 4

function runRound(size: number, packed: boolean): PackedSamples {
  const library = packedHeapLibrary()
  if (!('path' in library)) throw new Error(library.problem)
  const program = join(__dirname, 'lib', 'packed-round.js')
  const heapLimit = `--max-old-space-size=${size + 2_000}`
  const output = execFileSync(process.execPath, [heapLimit, program, String(size), String(snapshots)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(packed ? packedHeapEnvironment(process.env, library.path, false) : {}) },
  })
  return JSON.parse(output) as PackedSamples
}

const judged = ({ samples }: PackedSamples, pick: (sample: PackedSample) => number): number[] =>
  samples.slice(JUDGED_FROM).map(pick)

const scattered = runRound(megabytes, false)
const packed = runRound(megabytes, true)
// As little as there can be: what a packed process has more than this is what its state costs.
const empty = runRound(1, true)

const longestQuiet = ({ quietGapsMs }: PackedSample): number => Math.max(...quietGapsMs)

/** Of the gaps after all snapshots, the first ones too. */
function gapQuantile({ samples }: PackedSamples, which: 'restGapsMs' | 'quietGapsMs'): number {
  return quantile(
    samples.flatMap((one) => one[which]),
    0.999,
  )
}

function figuresOf(name: string, round: PackedSamples): Figure[] {
  return [
    { name: `${name}: resident before the first snapshot`, unit: 'MB', values: [round.residentBytes / 1e6] },
    { name: '  of that in huge pages', unit: 'MB', values: [round.hugeBytes / 1e6] },
    { name: '  mappings', unit: '', values: [round.mappings] },
    { name: '  time to build the state', unit: 'ms', values: [round.buildMs] },
    { name: '  first pause', unit: 'ms', values: round.samples.slice(0, 1).map(({ pauseMs }) => pauseMs) },
    { name: '  pause, judged snapshots', unit: 'ms', values: judged(round, ({ pauseMs }) => pauseMs) },
    { name: '  fork() alone', unit: 'ms', values: judged(round, ({ forkMs }) => forkMs) },
    { name: '  writing a hundredth of the pages', unit: 'ms', values: judged(round, ({ writeMs }) => writeMs) },
    { name: '  making pages huge again', unit: 'ms', values: judged(round, ({ restMs }) => restMs) },
    { name: '  longest gap meanwhile', unit: 'ms', values: judged(round, (one) => Math.max(...one.restGapsMs)) },
    { name: '  longest gap in as long a time at rest', unit: 'ms', values: judged(round, longestQuiet) },
    { name: '  99.9th percentile of gaps meanwhile', unit: 'ms', values: [gapQuantile(round, 'restGapsMs')] },
    { name: '  99.9th percentile of gaps at rest', unit: 'ms', values: [gapQuantile(round, 'quietGapsMs')] },
    { name: '  longest that one page took', unit: 'ms', values: judged(round, (one) => one.collapse.longestMs) },
    { name: '  of that on a processor', unit: 'ms', values: judged(round, (one) => one.collapse.longestCpuMs) },
    { name: '  in huge pages then', unit: 'MB', values: judged(round, ({ hugeBytes }) => hugeBytes / 1e6) },
  ]
}

const pauseOf = (round: PackedSamples): number => median(judged(round, ({ pauseMs }) => pauseMs))
const gigabytes = (packed.residentBytes - empty.residentBytes) / 1e9

printReport(
  {
    bench: 'packed',
    subject: `a heap of ${megabytes} MB, ${snapshots} snapshots`,
    figures: [...figuresOf('scattered', scattered), ...figuresOf('packed', packed), ...figuresOf('empty', empty)],
    targets: [
      {
        name: 'pause, packed / scattered',
        measured: pauseOf(packed) / pauseOf(scattered),
        limit: 1 / 10,
        kind: 'at-most',
      },
      {
        name: 'pause per GB above an empty process, in ms',
        measured: (pauseOf(packed) - pauseOf(empty)) / gigabytes,
        limit: 2,
        kind: 'at-most',
      },
      {
        name: 'longest gap while pages are made huge, in ms, median',
        measured: median(judged(packed, ({ restGapsMs }) => Math.max(...restGapsMs))),
        limit: 3,
        kind: 'at-most',
      },
      {
        name: 'longest time of a processor that one page took, in ms',
        measured: Math.max(...judged(packed, ({ collapse }) => collapse.longestCpuMs)),
        limit: 3,
        kind: 'at-most',
      },
      {
        name: 'resident memory, packed / scattered',
        measured: packed.residentBytes / scattered.residentBytes,
        limit: 1.1,
        kind: 'at-most',
      },
    ],
  },
  json,
)

/**
 * Ways of saving the state of a process, side by side: pause, delay of the event loop, time until the state is in a file
 * and synced, throughput meanwhile, memory. Each has the same orders (about 220 bytes as JSON each) in a process of its
 * own, under the same load; see `bench/lib/compare/methods.ts`.
 *
 *   node dist/bench/compare.js [--json] [--sizes 10k,100k,1M] [--full] [--rounds 5] [--methods heap,redis]
 *
 * `--full` adds 10M, for which 17 GB of memory should be free: what does not fit is left out, and said to be. The files go
 * to the system's temporary folder.
 */
import { readCompareArguments } from './lib/compare/options'
import { type Comparison, sizesOf, summaryOf, targetsOf } from './lib/compare/results'
import { methodOf } from './lib/compare/methods'
import { compare } from './lib/compare/run'
import { aligned, hostLine, short, verdictLine } from './lib/report'

const HEADS = ['pause ms', 'gap ms', 'p99', 'p99.9', 'total s', 'krows/s', 'kept', 'copied MB', 'memory MB']

function cell(value: number | null | undefined, factor = 1): string {
  return value === null || value === undefined ? '-' : short(value * factor)
}

function table(comparison: Comparison, records: number): string {
  const rows = comparison.outcomes
    .filter((outcome) => outcome.records === records)
    .map((outcome) => {
      const { label } = methodOf(outcome.method)
      if (outcome.missing !== undefined) return [label, ...HEADS.map(() => '')]
      const { pauseMs, delay, totalMs, rowsPerSecond, kept, copiedBytes, extraBytes } = summaryOf(outcome)
      const times = [cell(pauseMs), cell(delay?.maxMs), cell(delay?.p99Ms), cell(delay?.p999Ms), cell(totalMs, 1e-3)]
      const rest = [cell(rowsPerSecond, 1e-3), cell(kept), cell(copiedBytes, 1e-6), cell(extraBytes, 1e-6)]
      return [label, ...times, ...rest]
    })
  return aligned([[`${records.toLocaleString('en-US')} records`, ...HEADS], ...rows], [0])
}

function print(comparison: Comparison): void {
  console.log(`compare: ${comparison.rounds} snapshots each, medians`)
  console.log(hostLine(comparison.host))
  for (const records of sizesOf(comparison)) console.log(`\n${table(comparison, records)}`)
  for (const { method, records, missing } of comparison.outcomes) {
    if (missing !== undefined) console.log(`${methodOf(method).label}, ${records.toLocaleString('en-US')}: ${missing}`)
  }
  for (const target of targetsOf(comparison)) console.log(verdictLine(target))
}

const { json, ...options } = readCompareArguments()
const comparison = compare(options, (line) => console.error(line))
if (json) console.log(JSON.stringify({ ...comparison, targets: targetsOf(comparison) }))
else print(comparison)

/**
 * What copy-on-write costs a parent that works as fast as it can: windows with a snapshot (from the end of the pause to the
 * child's end), as long ones without, and as long ones beside a process that does a child's work and shares nothing. With
 *
 *  - uniformly random updates of so many objects, the worst case;
 *  - the exchange's flow of orders, on the heap and in an arena: lively, as on a market;
 *  - the same on the heap, spread evenly over all users and orders;
 *  - the lively flow with a spare core: the parent with all of its threads has one, the child another.
 *
 *   node dist/bench/cow.js [--json] [--objects 1000000] [--orders 1000000] [--rounds 5] [--full]
 *
 * `--full` means 10 million objects: it needs 8 GB of memory and 3 minutes. V8 has helping threads in both processes: where
 * there are two cores, the windows beside the stranger say what sharing them costs.
 */
import { execFileSync } from 'node:child_process'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { readArguments } from './lib/arguments'
import type { CowLoadName } from './lib/cow-loads'
import type { CowSample, CowSamples, CowWindow } from './lib/cow-round'
import { printReport, type Figure, type Target } from './lib/report'
import { canPin } from './lib/pin'
import { median } from './lib/statistics'

const FULL_OBJECTS = 10_000_000
/** A part of the machine's memory that V8's heap may have: there are a child and a stranger beside it. */
const HEAP_PART = 1 / 4

const { json, full, objects, orders, rounds } = readArguments(
  { objects: 1_000_000, orders: 1_000_000, rounds: 5 },
  { flags: ['full'] },
)

function runRound(load: CowLoadName, size: number, spare = false): CowSamples {
  const program = join(__dirname, 'lib', 'cow-round.js')
  const heapMb = Math.floor((totalmem() / 2 ** 20) * HEAP_PART)
  const output = execFileSync(
    process.execPath,
    [`--max-old-space-size=${heapMb}`, program, load, String(size), String(rounds), ...(spare ? ['spare'] : [])],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  )
  return JSON.parse(output) as CowSamples
}

const WINDOWS = { child: 'with a child', quiet: 'without', beside: 'beside a stranger' } as const

function windowFigures(samples: readonly CowSample[], window: keyof typeof WINDOWS): Figure[] {
  const figure = (name: string, unit: string, pick: (one: CowWindow) => number): Figure => ({
    name: `  ${name}`,
    unit,
    values: samples.map((sample) => pick(sample[window])),
  })
  return [
    { ...figure('longest gap', 'ms', ({ delay }) => delay.longestGapMs), name: `${WINDOWS[window]}: longest gap` },
    figure('99.9th percentile of the delay', 'ms', ({ delay }) => delay.p999Ms),
    figure('99th percentile', 'ms', ({ delay }) => delay.p99Ms),
    figure('changes', '/s', ({ rate }) => rate),
    figure('page faults', '', ({ faults }) => faults),
    figure('young collections', '', ({ collections }) => collections.young),
    figure('full collections and markings begun', '', ({ collections: { full, markings } }) => full + markings),
    figure('time in collections', 'ms', ({ collections }) => collections.ms),
  ]
}

function figuresOf(name: string, { residentBytes, samples }: CowSamples): Figure[] {
  const of = (pick: (sample: CowSample) => number): number[] => samples.map(pick)
  return [
    { name: `${name}: resident at first`, unit: 'MB', values: [residentBytes / 1e6] },
    { name: 'pause', unit: 'ms', values: of(({ pauseMs }) => pauseMs) },
    { name: 'life of the child', unit: 'ms', values: of(({ childMs }) => childMs) },
    { name: 'faults while threads come to rest', unit: '', values: of((sample) => sample.faultsInQuiesce) },
    { name: 'faults in the pause', unit: '', values: of((sample) => sample.faultsInPause) },
    { name: 'copied by the parent, at most', unit: 'MB', values: of(({ copiedBytesMax }) => copiedBytesMax / 1e6) },
    { name: 'copy-on-write as Redis counts it', unit: 'MB', values: of(({ cowBytes }) => cowBytes / 1e6) },
    { name: 'time in the kernel, with a child', unit: 'ms', values: of(({ childSystemMs }) => childSystemMs) },
    { name: '  without', unit: 'ms', values: of(({ quietSystemMs }) => quietSystemMs) },
    { name: "the child's faults", unit: '', values: of(({ childCost }) => childCost.faults) },
    { name: "the child's young collections", unit: '', values: of(({ childCost }) => childCost.young) },
    { name: "the child's full collections", unit: '', values: of(({ childCost }) => childCost.full) },
    { name: 'changes from save() to the end', unit: '/s', values: of(({ savingRate }) => savingRate) },
    ...windowFigures(samples, 'child'),
    ...windowFigures(samples, 'quiet'),
    ...windowFigures(samples, 'beside'),
  ]
}

const gapOf = (samples: readonly CowSample[], pick: (sample: CowSample) => number): number => median(samples.map(pick))
const quietGap = ({ quiet }: CowSample): number => quiet.delay.longestGapMs
const childGap = ({ child }: CowSample): number => child.delay.longestGapMs
/** The pause is a gap too, whatever makes it long. */
const gapWithPause = (sample: CowSample): number => Math.max(childGap(sample), sample.pauseMs)

function gapTargets(name: string, { samples }: CowSamples, limit: number): Target[] {
  const ratio = (pick: (sample: CowSample) => number): number => gapOf(samples, pick) / gapOf(samples, quietGap)
  return [
    { name: `${name}: longest gap after the pause / without`, measured: ratio(childGap), limit, kind: 'at-most' },
    { name: `${name}: the same with the pause`, measured: ratio(gapWithPause), limit, kind: 'at-most' },
  ]
}

/** Ratios are taken within a round, where the machine was in the same mood. */
function rateTarget(name: string, against: 'quiet' | 'beside', { samples }: CowSamples): Target {
  const measured = median(samples.map((sample) => sample.child.rate / sample[against].rate))
  return { name: `${name}: changes with a child / ${WINDOWS[against]}`, measured, limit: 0.9, kind: 'at-least' }
}

const size = full ? FULL_OBJECTS : objects
const random = runRound('random', size)
const flows: (readonly [string, CowSamples])[] = [
  ['lively orders', runRound('orders', orders)],
  ['lively orders in an arena', runRound('arena-orders', orders)],
  ['even orders', runRound('even-orders', orders)],
]
const spares = canPin() && availableParallelism() > 1
if (spares) flows.push(['lively orders, a spare core', runRound('orders', orders, true)])

printReport(
  {
    bench: 'cow',
    subject: `random updates of ${size} objects, flows over ${orders} orders, ${rounds} snapshots of each`,
    figures: [['random updates', random] as const, ...flows].flatMap(([name, samples]) => figuresOf(name, samples)),
    targets: [
      ...gapTargets('random', random, 3),
      ...flows.flatMap(([name, samples]) => gapTargets(name, samples, 1.5)),
      ...flows.flatMap(([name, samples]) => [rateTarget(name, 'quiet', samples), rateTarget(name, 'beside', samples)]),
    ],
    notes: [
      `${availableParallelism()} cores: the parent has one, the child the other. V8 collects with helping threads in both,` +
        ' and a parent that waits for its helpers waits for the child; a third core would take that away.',
      ...(spares
        ? []
        : ['Processes cannot be pinned here, or there is one core: the flow with a spare core was left out.']),
    ],
  },
  json,
)

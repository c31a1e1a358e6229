/**
 * The pause of a snapshot at a million orders, against three yardsticks of the same run: JSON.stringify and v8.serialize of
 * the same orders, and the fork of a plain C program with the same mappings and resident pages. Each round is a process
 * of its own, since only the first fork of a process finds all its pages writable.
 *
 *   node dist/bench/pause.js [--json] [--orders 1000000] [--rounds 5] [--forks 10]
 *
 * Needs Linux and `npm run build:bench`.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { readArguments } from './lib/arguments'
import type { PauseSamples } from './lib/pause-round'
import { PAUSE_PARTS, type PauseSample } from './lib/pause-sample'
import { printReport, type Figure } from './lib/report'
import { median } from './lib/statistics'

const { json, orders, rounds, forks } = readArguments({ orders: 1_000_000, rounds: 5, forks: 10 })

function runRound(): PauseSamples {
  const program = join(__dirname, 'lib', 'pause-round.js')
  const output = execFileSync(process.execPath, [program, String(orders), String(forks)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output) as PauseSamples
}

const samples = Array.from({ length: rounds }, runRound)
const all = (pick: (round: PauseSamples) => number | readonly number[]): number[] => samples.flatMap(pick)
const first = (pick: (pause: PauseSample) => number): number[] => samples.map((round) => pick(round.firstPause))
const later = (pick: (pause: PauseSample) => number): number[] =>
  samples.flatMap((round) => round.laterPauses.map(pick))

/** Ratios are taken within a round, where the machine was in the same mood, and only then compared. */
const ratios = (pick: (round: PauseSamples) => number): number => median(samples.map(pick))
const laterPause = (round: PauseSamples): number => median(round.laterPauses.map((pause) => pause.pauseMs))

function parts(values: (pick: (pause: PauseSample) => number) => number[]): Figure[] {
  return PAUSE_PARTS.map((part) => ({
    name: `  ${part.slice(0, -2)}`,
    unit: 'ms',
    values: values((pause) => pause[part]),
  }))
}

const figures: Figure[] = [
  { name: 'anonymous resident memory', unit: 'MB', values: all((round) => round.residentBytes / 1e6) },
  { name: 'mappings', unit: '', values: all((round) => round.mappings) },
  { name: 'first pause of a process', unit: 'ms', values: first((pause) => pause.pauseMs) },
  ...parts(first),
  { name: 'fork() of plain C, all pages written', unit: 'ms', values: all((round) => round.floorMs) },
  { name: 'later pauses, trading in between', unit: 'ms', values: later((pause) => pause.pauseMs) },
  ...parts(later),
  { name: 'fork() of plain C, no page written', unit: 'ms', values: all((round) => round.refloorMs) },
  { name: 'JSON.stringify', unit: 'ms', values: all((round) => round.stringifyMs) },
  { name: 'v8.serialize', unit: 'ms', values: all((round) => round.serializeMs) },
]
const perGb = (pick: (round: PauseSamples) => number): number[] =>
  samples.map((round) => pick(round) / (round.residentBytes / 1e9))
figures.push({ name: 'first pause per GB', unit: 'ms', values: perGb((round) => round.firstPause.pauseMs) })
figures.push({ name: 'fork() of plain C per GB', unit: 'ms', values: perGb((round) => median(round.floorMs)) })

printReport(
  {
    bench: 'pause',
    subject: `${orders} orders, ${rounds} processes, ${forks} forks each`,
    figures,
    targets: [
      {
        name: 'first pause / JSON.stringify',
        measured: ratios((round) => round.firstPause.pauseMs / median(round.stringifyMs)),
        limit: 1 / 50,
        kind: 'at-most',
      },
      {
        name: 'first pause / v8.serialize',
        measured: ratios((round) => round.firstPause.pauseMs / median(round.serializeMs)),
        limit: 1 / 50,
        kind: 'at-most',
      },
      {
        name: 'first pause / fork() of plain C, all pages written',
        measured: ratios((round) => round.firstPause.pauseMs / median(round.floorMs)),
        limit: 1.3,
        kind: 'at-most',
      },
      {
        name: 'later pauses / fork() of plain C, all pages written',
        measured: ratios((round) => laterPause(round) / median(round.floorMs)),
        limit: 1.3,
        kind: 'at-most',
      },
    ],
    notes: [
      'Later pauses against a plain C program that wrote no page in between, as a lower bound: ' +
        ratios((round) => laterPause(round) / median(round.refloorMs)).toFixed(2),
    ],
  },
  json,
)

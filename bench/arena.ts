/**
 * The pause of a snapshot with so many gigabytes in an arena of huge pages, against the same bytes in pages of 4 KiB and an
 * empty process, and the rate at which a child writes them to /dev/null. Each state is a process of its own, one after the
 * other.
 *
 *   node dist/bench/arena.js [--json] [--gb 1] [--rounds 3] [--forks 5]
 *
 * Needs Linux, and `gb` GB of memory that is free.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { ArenaSamples, ArenaState } from './lib/arena-round'
import { readArguments } from './lib/arguments'
import { type Figure, printReport } from './lib/report'
import { median } from './lib/statistics'

const GB = 1e9
const { json, gb, rounds, forks } = readArguments({ gb: 1, rounds: 3, forks: 5 })

function runRound(state: ArenaState): ArenaSamples {
  const program = join(__dirname, 'lib', 'arena-round.js')
  const output = execFileSync(process.execPath, [program, state, String(gb * GB), String(forks)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output) as ArenaSamples
}

const samples = Array.from({ length: rounds }, () => ({
  huge: runRound('huge'),
  small: runRound('small'),
  empty: runRound('empty'),
}))
type Round = (typeof samples)[number]

const all = (pick: (round: Round) => number | readonly number[]): number[] => samples.flatMap(pick)
/** Within a round, where the machine was in the same mood. */
const ratio = (pick: (round: Round) => number): number => median(samples.map(pick))

const STATES = { huge: 'huge pages', small: 'pages of 4 KiB', empty: 'an empty process' } as const
const pauseFigures = (Object.keys(STATES) as ArenaState[]).flatMap((state): Figure[] => {
  const of = `pause, ${STATES[state]}`
  const figures = [
    { name: `${of}: first`, unit: 'ms', values: all((round) => round[state].firstPauseMs) },
    { name: `${of}: later`, unit: 'ms', values: all((round) => round[state].laterPausesMs) },
  ]
  if (state === 'empty') return figures
  return [
    ...figures,
    { name: `${of}: 1 in 100 written`, unit: 'ms', values: all((round) => round[state].wornPausesMs) },
  ]
})

const rateFigures = (['huge', 'small'] as const).flatMap((state): Figure[] => [
  {
    name: `slice, ${STATES[state]}`,
    unit: 'GB/s',
    values: all((round) => round[state].rates.map((rate) => rate / GB)),
  },
  {
    name: `slice given back, ${STATES[state]}`,
    unit: 'GB/s',
    values: all((round) => round[state].givenBackRates.map((rate) => rate / GB)),
  },
])

printReport(
  {
    bench: 'arena',
    subject: `${gb} GB, ${rounds} rounds, ${forks} forks each`,
    figures: [
      { name: 'in huge pages', unit: 'GB', values: all((round) => round.huge.hugeBytes / GB) },
      { name: 'in huge pages where none are wanted', unit: 'GB', values: all((round) => round.small.hugeBytes / GB) },
      ...pauseFigures,
      ...rateFigures,
    ],
    targets: [
      {
        name: 'first pause, huge pages / pages of 4 KiB',
        measured: ratio(({ huge, small }) => huge.firstPauseMs / small.firstPauseMs),
        limit: 1 / 10,
        kind: 'at-most',
      },
      {
        name: 'later pauses, huge pages / pages of 4 KiB',
        measured: ratio(({ huge, small }) => median(huge.laterPausesMs) / median(small.laterPausesMs)),
        limit: 1 / 10,
        kind: 'at-most',
      },
      {
        name: 'first pause above that of an empty process, ms per GB',
        measured: ratio(({ huge, empty }) => (huge.firstPauseMs - empty.firstPauseMs) / gb),
        limit: 1.5,
        kind: 'at-most',
      },
      {
        name: 'slice to /dev/null, GB/s',
        measured: median(all((round) => round.huge.rates)) / GB,
        limit: 1.5,
        kind: 'at-least',
      },
    ],
  },
  json,
)

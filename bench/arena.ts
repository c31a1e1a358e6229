/**
 * The pause of a snapshot with so many gigabytes in an arena of huge pages, against the same bytes in pages of 4 KiB and an
 * empty process, and the rate at which a child writes them to /dev/null. Each state is a process of its own, one after the
 * other.
 *
 *   node dist/bench/arena.js [--json] [--gb 1] [--rounds 3] [--forks 5] [--disk DIR [--disk-rounds 9]]
 *
 * Needs Linux, and `gb` GB of memory that is free. With `--disk` the slice also goes to that folder's disk, in turn with dd of
 * as many bytes, and is restored from there into an arena; that takes four times as much memory, and does nothing else.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { DiskSamples } from './lib/arena-disk'
import type { ArenaSamples, ArenaState } from './lib/arena-round'
import { readArguments } from './lib/arguments'
import { type Figure, printReport, type Report } from './lib/report'
import { median } from './lib/statistics'

const GB = 1e9
const MB = 1e6
const settings = readArguments({ gb: 1, rounds: 3, forks: 5, 'disk-rounds': 9 }, { texts: ['disk'] })
const { json, gb, rounds, forks } = settings

function run<T>(name: string, ...args: readonly (string | number)[]): T {
  const program = join(__dirname, 'lib', `${name}.js`)
  const output = execFileSync(process.execPath, [program, ...args.map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output) as T
}

const runRound = (state: ArenaState): ArenaSamples => run('arena-round', state, gb * GB, forks)

function memoryReport(): Report {
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

  return {
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
  }
}

/** Each round's slice against the dd that followed it. */
function diskReport(directory: string): Report {
  const { bytes, slice, dd, restore } = run<DiskSamples>('arena-disk', directory, gb * GB, settings['disk-rounds'])
  const rates = (seconds: readonly number[]): number[] => seconds.map((one) => bytes / one / MB)
  return {
    bench: 'arena --disk',
    subject: `${gb} GB of random bytes, ${slice.length} rounds`,
    figures: [
      { name: 'slice of an arena, checksums on, synced', unit: 'MB/s', values: rates(slice) },
      { name: 'dd conv=fdatasync from /dev/shm', unit: 'MB/s', values: rates(dd) },
      { name: 'restore into an arena from the page cache', unit: 'MB/s', values: rates(restore) },
    ],
    targets: [
      {
        name: 'seconds of the slice / seconds of dd, medians',
        measured: median(slice) / median(dd),
        limit: 1,
        kind: 'at-most',
      },
    ],
  }
}

printReport(settings.disk === undefined ? memoryReport() : diskReport(settings.disk), json)

/**
 * Rows a second of the child that writes (int8 bigint, text, numeric string, numeric string, bool) to /dev/null, checksums on:
 * in a cold process (a new one, its first snapshot) without and with the warm-up, and in a warm one, which has written all
 * its rows many times. First with V8's own threads in the child, as it is by default; then without them, and where Node's V8
 * is new enough with `--efficiency-mode` in their place.
 *
 *   node dist/bench/cold-warm.js [--json] [--rows 1000000] [--rounds 5]
 *
 * Other versions of Node: node scripts/with-node.mjs 24 -- node dist/bench/cold-warm.js
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { readArguments } from './lib/arguments'
import type { ColdWarmSample, Mode, Warmth } from './lib/cold-warm-round'
import { printReport, type Figure } from './lib/report'
import { median } from './lib/statistics'

const { json, rows, rounds } = readArguments({ rows: 1_000_000, rounds: 5 })

interface Variant {
  readonly name: string
  readonly warmth: Warmth
  readonly mode: Mode
  readonly samples: ColdWarmSample[]
}

const WARMTHS: readonly Warmth[] = ['cold', 'warmed-up', 'warm']
/** Below Node 24 efficiency mode exists in part and helps nothing. */
const NEW = Number(process.versions.node.split('.')[0]) >= 24
const modes: readonly Mode[] = NEW ? ['workers', 'alone', 'efficiency'] : ['workers', 'alone']
const NAMES: { readonly [mode in Mode]: string } = {
  workers: '',
  alone: ', no workers',
  efficiency: ', no workers, efficiency mode',
}
const variants: Variant[] = modes.flatMap((mode) =>
  WARMTHS.map((warmth) => ({ name: `${warmth}${NAMES[mode]}`, warmth, mode, samples: [] })),
)

function sample({ warmth, mode }: Variant): ColdWarmSample {
  const program = join(__dirname, 'lib', 'cold-warm-round.js')
  const output = execFileSync(process.execPath, [program, warmth, mode, String(rows)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output) as ColdWarmSample
}

// Round by round, so that whatever else the machine does hits all of them alike.
for (let i = 0; i < rounds; i++) for (const variant of variants) variant.samples.push(sample(variant))

const rowsPerSecond = ({ samples }: Variant): number[] => samples.map((one) => rows / (one.writeMs / 1000))
const speed = (warmth: Warmth, mode: Mode): number => {
  const variant = variants.find((one) => one.warmth === warmth && one.mode === mode)
  return variant === undefined ? NaN : median(rowsPerSecond(variant))
}

const figures: Figure[] = variants.flatMap((variant) => [
  { name: `${variant.name}: rows`, unit: '/s', values: rowsPerSecond(variant) },
  { name: `${variant.name}: life of the child`, unit: 'ms', values: variant.samples.map((one) => one.childMs) },
])
figures.push({
  name: 'time of the warm-up',
  unit: 'ms',
  values: variants.filter((one) => one.warmth === 'warmed-up').flatMap((one) => one.samples.map((s) => s.warmUpMs)),
})

printReport(
  {
    bench: 'cold-warm',
    subject: `${rows} rows to /dev/null, ${rounds} processes of each kind`,
    figures,
    targets: [
      {
        name: 'rows a second of a warm child',
        measured: speed('warm', 'workers'),
        limit: 1.5e6,
        kind: 'at-least',
      },
      {
        name: 'warm / cold with the warm-up',
        measured: speed('warm', 'workers') / speed('warmed-up', 'workers'),
        limit: 1.1,
        kind: 'at-most',
      },
    ],
    notes: modes.map(
      (mode) =>
        `warm / cold${NAMES[mode]}: ${(speed('warm', mode) / speed('cold', mode)).toFixed(2)} without the warm-up, ` +
        `${(speed('warm', mode) / speed('warmed-up', mode)).toFixed(2)} with it`,
    ),
  },
  json,
)

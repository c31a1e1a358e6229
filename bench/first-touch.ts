/**
 * The first touch of new memory, 2 MiB at a time, in huge pages and in pages of 4 KiB: of memory that has been free for a
 * while, and of memory that another process has given back just before. Where the two differ, a hypervisor has taken free memory
 * back ("free page reporting") and must find it again, which makes a new packed heap or arena slow to fill.
 *
 *   node dist/bench/first-touch.js [--json] [--megabytes 1000] [--rounds 3]
 *
 * Linux only. Where another program has just ended, the first kind of memory is like the second.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { readArguments } from './lib/arguments'
import { printReport, type Figure } from './lib/report'
import { quantile } from './lib/statistics'

const { json, megabytes, rounds } = readArguments({ megabytes: 1_000, rounds: 3 })

function touch(pages: 'huge' | 'small'): number[] {
  const program = join(__dirname, 'lib', 'first-touch-round.js')
  const output = execFileSync(process.execPath, [program, String(megabytes), pages], { encoding: 'utf8' })
  return JSON.parse(output) as number[]
}

// Once: what it leaves behind is memory of the other kind.
const old = touch('huge')
const samples = Array.from({ length: rounds }, () => ({ recent: touch('huge'), small: touch('small') }))

const column = (name: string, times: readonly number[][]): Figure[] => [
  { name, unit: 'ms', values: times.map((one) => quantile(one, 0.5)) },
  { name: '  99th percentile', unit: 'ms', values: times.map((one) => quantile(one, 0.99)) },
]

printReport(
  {
    bench: 'first-touch',
    subject: `2 MiB at a time, ${megabytes} MB, ${rounds} rounds`,
    figures: [
      ...column('huge pages, memory as it was', [old]),
      ...column(
        'huge pages, memory just given back',
        samples.map(({ recent }) => recent),
      ),
      ...column(
        'pages of 4 KiB, memory just given back',
        samples.map(({ small }) => small),
      ),
    ],
    targets: [],
  },
  json,
)

/**
 * What a thousand snapshots of a small state leave behind in the parent: memory, descriptors, threads, mappings, children.
 *
 *   node dist/bench/leak.js [--json] [--snapshots 1000] [--warmup 200] [--parts 1]
 *
 * Real slices in a real folder; the first `--warmup` snapshots are not counted. With several parts the figures are taken
 * after each of them, and what grows in the second half is judged: a leak goes on, what has to warm up does not.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Snapshotter } from '../src/snapshotter'
import { FileStore } from '../src/store/file'
import { readArguments } from './lib/arguments'
import { collectAll } from './lib/gc'
import { processFigures, type ProcessFigures } from './lib/process-figures'
import { printReport } from './lib/report'
import { median } from './lib/statistics'

const ROWS = 1_000
/** Memory comes and goes by pages: growth below this is none. */
const RSS_SLACK_BYTES = 4 << 20
const HEAP_SLACK_BYTES = 1 << 20

async function settled(): Promise<ProcessFigures> {
  // Handles that were closed need a turn of the loop to go, and only then can what they held be collected.
  for (let i = 0; i < 3; i++) {
    collectAll()
    await setTimeout(20)
  }
  return processFigures()
}

async function main(): Promise<void> {
  const { json, snapshots, warmup, parts } = readArguments({ snapshots: 1_000, warmup: 200, parts: 1 })
  const directory = mkdtempSync(join(tmpdir(), 'forksnap-leak-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  let position = 0n
  const snapshotter = new Snapshotter({
    store: new FileStore({ directory, keep: { count: 2 } }),
    meta: () => ({ position: position++ }),
    write(slice) {
      const table = slice.table('numbers', [
        ['n', 'int4'],
        ['text', 'text'],
      ])
      for (let n = 0; n < ROWS; n++) table.row(n, `row ${n}`)
    },
    intervalMs: 0,
  })
  await snapshotter.start()
  for (let i = 0; i < warmup; i++) await snapshotter.save()
  const seen = [await settled()]
  const pauses: number[] = []
  for (let part = 1; part <= parts; part++) {
    const end = Math.round((snapshots * part) / parts)
    while (pauses.length < end) pauses.push((await snapshotter.save()).pauseMs)
    seen.push(await settled())
  }
  await snapshotter.close()
  report(json, seen, pauses)
}

function report(json: boolean, seen: readonly ProcessFigures[], pauses: readonly number[]): void {
  const parts = seen.length - 1
  const [judged, from] = parts > 1 ? ['growth in the second half', Math.floor(parts / 2)] : ['growth', 0]
  const valuesOf = (key: keyof ProcessFigures): number[] => seen.map((figures) => figures[key])
  const target = (name: string, key: keyof ProcessFigures, slack: number) => {
    const values = valuesOf(key)
    const measured = (values.at(-1) ?? 0) - (values[from] ?? 0)
    return { name: `${judged} of ${name}`, measured, limit: slack, kind: 'at-most' } as const
  }
  const counted: [string, keyof ProcessFigures, number][] = [
    ['resident bytes', 'rssBytes', RSS_SLACK_BYTES],
    ['used heap in bytes', 'heapUsedBytes', HEAP_SLACK_BYTES],
    ['external bytes', 'externalBytes', HEAP_SLACK_BYTES],
    ['descriptors', 'descriptors', 0],
    ['threads', 'threads', 0],
    ['children, zombies included', 'children', 0],
  ]
  const half = pauses.length / 2
  const table = [...counted, ['mappings', 'mappings'] as const]
  const series = table.map(([name, key]) => `${name}: ${valuesOf(key).join(', ')}`)
  printReport(
    {
      bench: 'leak',
      subject: `${pauses.length} snapshots of ${ROWS} rows`,
      figures: [
        ...table.flatMap(([name, key]) => [
          { name: `${name} before`, unit: '', values: valuesOf(key).slice(0, 1) },
          { name: `${name} after`, unit: '', values: valuesOf(key).slice(-1) },
        ]),
        { name: 'pause, first half', unit: 'ms', values: pauses.slice(0, half) },
        { name: 'pause, second half', unit: 'ms', values: pauses.slice(half) },
      ],
      targets: counted.map(([name, key, slack]) => target(name, key, slack)),
      notes: [`Median pause of all: ${median(pauses).toFixed(2)} ms`, ...(parts > 1 ? series : [])],
    },
    json,
  )
}

void main()

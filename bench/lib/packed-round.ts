/** One process of the packed heap's measurement: prints its samples as one line of JSON. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { runFork } from '../../src/fork'
import { isMakingHugePages, takeCollapseFigures, type CollapseFigures } from '../../src/huge-pages'
import { collectAll } from './gc'

export interface PackedSample {
  readonly pauseMs: number
  readonly forkMs: number
  /** Time that writing a hundredth of the pages took while the child lived. */
  readonly writeMs: number
  /** From the child's end until the pages are huge again. */
  readonly restMs: number
  /** How late each timer of a millisecond was in that time, and in as long a time after that with nothing to do. */
  readonly restGapsMs: readonly number[]
  readonly quietGapsMs: readonly number[]
  readonly collapse: CollapseFigures
  /** In huge pages at the end. */
  readonly hugeBytes: number
}

export interface PackedSamples {
  readonly residentBytes: number
  readonly hugeBytes: number
  readonly mappings: number
  readonly buildMs: number
  readonly samples: readonly PackedSample[]
}

interface Item {
  id: number
  readonly price: number
  readonly name: string
  readonly parts: number[]
}

/** What an item takes up, with its place in the list. */
const ITEM_BYTES = 176
const PAGE_BYTES = 4_096
const WRITTEN_PART = 0.01
const BETWEEN_MS = 100
const TIMER_MS = 1

function makeItems(count: number): Item[] {
  const items: Item[] = []
  for (let id = 0; id < count; id++) items.push({ id, price: id * 1.5, name: `n${id % 100}`, parts: [id, id + 1] })
  return items
}

function memory() {
  const rollup = readFileSync('/proc/self/smaps_rollup', 'latin1')
  const kilobytes = (field: string): number => Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(rollup)?.[1])
  return {
    residentBytes: kilobytes('Rss') * 1024,
    hugeBytes: kilobytes('AnonHugePages') * 1024,
    mappings: readFileSync('/proc/self/maps', 'latin1').split('\n').length - 1,
  }
}

/** Pages all over the heap, others each time. */
function writePages(items: readonly Item[], count: number, round: number): void {
  for (let i = 0; i < count; i++) {
    const item = items[(i * 7_919_933 + round * 104_729) % items.length]
    if (item !== undefined) item.id++
  }
}

/** Not turn after turn: a thread that never rests is itself taken off its processor now and then. */
async function gapsWhile(condition: () => boolean): Promise<number[]> {
  const gaps: number[] = []
  do {
    const from = performance.now()
    await setTimeout(TIMER_MS)
    gaps.push(Math.max(0, performance.now() - from - TIMER_MS))
  } while (condition())
  return gaps
}

async function sample(items: readonly Item[], round: number, flag: string): Promise<PackedSample> {
  let writeMs = 0
  rmSync(flag, { force: true })
  const { pauseMs, forkMs } = await runFork<undefined, undefined>({
    prepare: () => undefined,
    run() {
      while (!existsSync(flag));
    },
    limits: { quiesceMs: 10_000, stallMs: 0, totalMs: 60_000 },
    onForked() {
      const begun = performance.now()
      writePages(items, Math.ceil(((items.length * ITEM_BYTES) / PAGE_BYTES) * WRITTEN_PART), round)
      writeMs = performance.now() - begun
      writeFileSync(flag, '')
    },
  })
  const ended = performance.now()
  const restGapsMs = await gapsWhile(isMakingHugePages)
  const restMs = performance.now() - ended
  const quietEnds = performance.now() + Math.max(restMs, BETWEEN_MS)
  const quietGapsMs = await gapsWhile(() => performance.now() < quietEnds)
  const { hugeBytes } = memory()
  return { pauseMs, forkMs, writeMs, restMs, restGapsMs, quietGapsMs, collapse: takeCollapseFigures(), hugeBytes }
}

async function main(megabytes: number, snapshots: number): Promise<PackedSamples> {
  const begun = performance.now()
  const items = makeItems(Math.ceil((megabytes * 1e6) / ITEM_BYTES))
  const buildMs = performance.now() - begun
  collectAll()
  const before = memory()
  const folder = mkdtempSync(join(tmpdir(), 'forksnap-packed-'))
  try {
    const samples: PackedSample[] = []
    for (let round = 0; round < snapshots; round++) samples.push(await sample(items, round, join(folder, 'written')))
    return { ...before, buildMs, samples }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

void main(Number(process.argv[2]), Number(process.argv[3])).then((samples) => console.log(JSON.stringify(samples)))

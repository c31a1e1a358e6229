/**
 * One process of the floor's measurement: a heap of so many megabytes, whose pauses alternate with the forks of a plain C
 * program that has the same mappings and resident pages. Prints its samples as one line of JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { startForkFloor } from './fork-floor'
import { collectAll } from './gc'
import { dumpMappings } from './mappings'
import { measurePause, type PauseSample } from './pause-sample'

export interface FloorSamples {
  readonly mappings: number
  /** Anonymous resident bytes of this process. */
  readonly residentBytes: number
  readonly pageTableBytes: number
  /** Whether the C program's pages came in the order of this process's physical memory. */
  readonly physicalOrder: boolean
  readonly firstPause: PauseSample
  readonly laterPauses: readonly PauseSample[]
  /** Milliseconds of the yardstick's forks: the first of its process, later ones with nothing and with all pages written before. */
  readonly firstFloorMs: number
  readonly refloorMs: readonly number[]
  readonly rewrittenFloorMs: readonly number[]
}

interface Order {
  readonly id: number
  readonly price: number
  amount: number
  readonly user: { readonly name: string }
  readonly fills: readonly number[]
  next: Order | undefined
}

/** What an order takes up, with its place in the list. */
const ORDER_BYTES = 216
/** No array gets longer: very long ones are few and large mappings, which a heap of small objects is not. */
const LIST_MAX = 10_000
const BETWEEN_MS = 50

function fillHeap(megabytes: number): Order[][] {
  const lists: Order[][] = []
  let last: Order | undefined
  for (let left = Math.floor((megabytes * 1e6) / ORDER_BYTES); left > 0; left -= LIST_MAX) {
    const list: Order[] = []
    for (let i = 0; i < Math.min(LIST_MAX, left); i++) {
      const id = left - i
      const order: Order = {
        id,
        price: id * 1.5,
        amount: id,
        user: { name: `user-${id % 1000}` },
        fills: [id, id + 1],
        next: last,
      }
      list.push(order)
      last = i % 100 === 99 ? undefined : order
    }
    lists.push(list)
  }
  return lists
}

async function main(megabytes: number, forks: number, floorFirst: boolean): Promise<FloorSamples> {
  const heap = fillHeap(megabytes)
  collectAll()
  const folder = mkdtempSync(join(tmpdir(), 'forksnap-floor-'))
  try {
    const file = join(folder, 'mappings')
    const { mappings, residentBytes, physicalOrder } = dumpMappings(file)
    const floor = await startForkFloor(file, join(__dirname, '..', '..', '..'))
    // Whoever comes second finds the machine as the first has left it.
    const earlyFloorMs = floorFirst ? await floor.fork(false) : undefined
    const firstPause = await measurePause()
    const firstFloorMs = earlyFloorMs ?? (await floor.fork(false))
    const laterPauses: PauseSample[] = []
    const refloorMs: number[] = []
    const rewrittenFloorMs: number[] = []
    for (let i = 0; i < forks; i++) {
      const pause = async (): Promise<unknown> => laterPauses.push(await measurePause())
      const fork = async (): Promise<unknown> => refloorMs.push(await floor.fork(false))
      for (const measure of i % 2 === 0 ? [pause, fork] : [fork, pause]) {
        await setTimeout(BETWEEN_MS)
        await measure()
      }
    }
    // Last, since all that is written then pushes everything else out of the processor's caches.
    for (let i = 0; i < forks; i++) rewrittenFloorMs.push(await floor.fork(true))
    const { page_table_bytes: pageTableBytes } = await floor.end()
    if (heap.length < 0) throw new Error('unreachable: the heap must live until here')
    return {
      mappings,
      residentBytes,
      pageTableBytes,
      physicalOrder,
      firstPause,
      laterPauses,
      firstFloorMs,
      refloorMs,
      rewrittenFloorMs,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const [megabytes, forks, turn] = process.argv.slice(2).map(Number) as [number, number, number]
void main(megabytes, forks, turn % 2 === 0).then((samples) => console.log(JSON.stringify(samples)))

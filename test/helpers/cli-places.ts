import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { FileOperationLog } from '../../src/oplog/file'
import { createSliceWriter, fdTarget } from '../../src/slice/writer'
import type { FileStore } from '../../src/store/file'
import { frames } from './slice-memory'
import type { StoreBench } from './store-slices'

/** Slices and logs in files for the command line to look at: sound, damaged in several ways, empty, missing. */

async function publishOrders(store: FileStore, rows: number): Promise<void> {
  const sink = await store.create()
  const meta = { position: BigInt(rows) }
  const slice = createSliceWriter(fdTarget(sink.fd), { sliceId: sink.sliceId, meta, ...sink.writing })
  const orders = slice.table('orders', [
    ['id', 'int8'],
    ['note', 'text'],
    ['extra', 'jsonb'],
  ])
  for (let id = 1; id <= rows; id++) orders.row(id, id === 1 ? null : id === 2 ? '' : `a "quoted", ${id}`, { id })
  slice.table('rates', [['rate', 'float8']]).row(NaN)
  slice.blob('book', Buffer.alloc(5))
  slice.set('digest', 'd1g3st')
  await sink.commit({ meta, trailer: slice.finish() })
}

/** Files of a directory by the end of their names, oldest first. */
export function filesIn(directory: string, ending: '.slice' | '.oplog'): string[] {
  const names = readdirSync(directory).filter((name) => name.endsWith(ending))
  return names.sort().map((name) => join(directory, name))
}

/** A copy of a directory that `damage` is done to; it gets the paths of the files. */
export function damagedCopy(
  bench: StoreBench,
  from: string,
  ending: '.slice' | '.oplog',
  damage: (paths: string[]) => void = () => undefined,
): string {
  const directory = join(bench.directory(), 'copy')
  mkdirSync(directory, { mode: 0o700 })
  for (const path of filesIn(from, ending)) copyFileSync(path, path.replace(from, directory))
  damage(filesIn(directory, ending))
  return directory
}

const newest = (paths: readonly string[]): string => paths[paths.length - 1]

function cut(path: string, bytes: number): void {
  truncateSync(path, readFileSync(path).length - bytes)
}

/** `good` holds slice 1 with 2 orders and slice 2 with 3; each also one rate and a blob. */
export async function slicePlaces(bench: StoreBench) {
  const store = await bench.started()
  await publishOrders(store, 2)
  await publishOrders(store, 3)
  const good = store.directory
  const empty = bench.directory()
  const emptyFile = join(bench.directory(), 'empty.slice')
  writeFileSync(emptyFile, '', { mode: 0o600 })
  const flip = (path: string): void => {
    const bytes = readFileSync(path)
    const rows = frames(bytes).find(({ type }) => type === 3)
    bytes[(rows?.end ?? 0) - 3] ^= 1
    writeFileSync(path, bytes)
  }
  return {
    good,
    file: newest(filesIn(damagedCopy(bench, good, '.slice'), '.slice')),
    flipped: damagedCopy(bench, good, '.slice', (paths) => flip(newest(paths))),
    truncated: damagedCopy(bench, good, '.slice', (paths) => cut(newest(paths), 10)),
    emptyFile,
    empty,
    missing: join(empty, 'no', 'such'),
  }
}

const LOG_ENTRIES = 100

async function writeLog(directory: string): Promise<void> {
  const log = new FileOperationLog({ directory, segmentBytes: 4096 })
  await log.start()
  for (let id = 1; id <= LOG_ENTRIES; id++) {
    const { durable } = log.append({ method: 'put', params: ['x'.repeat(150), id] })
    if (id % 10 === 0) await durable
  }
  await log.close()
}

function flipMiddle(path: string): void {
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1] ^= 1
  writeFileSync(path, bytes)
}

/** A log of `LOG_ENTRIES` entries in several segments, and what may become of it. */
export async function logPlaces(bench: StoreBench) {
  const good = join(bench.directory(), 'oplog')
  await writeLog(good)
  const copy = (damage: (segments: string[]) => void): string => damagedCopy(bench, good, '.oplog', damage)
  const empty = bench.directory()
  return {
    good,
    torn: copy((segments) => appendFileSync(newest(segments), 'half an entry')),
    flipped: copy(([first]) => flipMiddle(first)),
    flippedAndTorn: copy((segments) => {
      flipMiddle(segments[0])
      appendFileSync(newest(segments), 'half')
    }),
    flippedLast: copy((segments) => flipMiddle(newest(segments))),
    truncated: copy(([first]) => cut(first, 5)),
    gap: copy(([, second]) => rmSync(second)),
    /** A segment where a log is asked for. */
    file: newest(filesIn(good, '.oplog')),
    empty,
    missing: join(empty, 'no'),
  }
}

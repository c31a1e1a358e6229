import { write as writeCallback } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ClientConfig } from 'pg'
import { PostgresStore, type PostgresStoreOptions } from '../../src/store/postgres'
import { createSliceWriter, fdTarget } from '../../src/slice/writer'
import type { ReadValue, SliceMeta, SliceTrailer, SliceWriter } from '../../src/slice/types'
import { writeSlice } from './slice-memory'
import type { SliceInfo, SliceSink, SliceSource } from '../../src/store/store'

/** Stores of one test file on a cluster; `closeAll` closes those that a test has left open. */
export class PostgresStores {
  readonly #stores: PostgresStore[] = []

  make(connection: ClientConfig | string, options: Partial<PostgresStoreOptions> = {}): PostgresStore {
    const store = new PostgresStore({ connection, ...options })
    this.#stores.push(store)
    return store
  }

  async started(
    connection: ClientConfig | string,
    options: Partial<PostgresStoreOptions> = {},
  ): Promise<PostgresStore> {
    const store = this.make(connection, options)
    await store.start()
    return store
  }

  async closeAll(): Promise<void> {
    for (const store of this.#stores.splice(0)) await store.close()
  }
}

/** Writes a slice into a sink as the child would, in this process: the writer process reads the other end. */
export function writeInto(sink: SliceSink, write: (slice: SliceWriter) => void, meta: SliceMeta = {}): SliceTrailer {
  const { sliceId, writing } = sink
  const slice = createSliceWriter(fdTarget(sink.fd), { sliceId, meta, ...writing })
  write(slice)
  return slice.finish()
}

export async function publishInto(
  store: PostgresStore,
  write: (slice: SliceWriter) => void,
  meta: SliceMeta = {},
): Promise<SliceInfo> {
  const sink = await store.create()
  return sink.commit({ meta, trailer: writeInto(sink, write, meta) })
}

/** Some rows of a table `numbers`. */
export function numbers(count: number, from = 0): (slice: SliceWriter) => void {
  return (slice) => {
    const table = slice.table('numbers', [
      ['n', 'int8'],
      ['note', 'text'],
    ])
    for (let n = from; n < from + count; n++) table.row(n, `row ${n}`)
  }
}

/** Everything that a source delivers. */
export async function readAll(source: SliceSource): Promise<{
  rows: [string, ReadValue[]][]
  blobs: [string, Buffer][]
  trailer: SliceTrailer
}> {
  const rows: [string, ReadValue[]][] = []
  const blobs: [string, Buffer][] = []
  const trailer = await source.read({
    row: (table, values) => void rows.push([table, values]),
    blob: (name, data) => void blobs.push([name, Buffer.from(data)]),
  })
  return { rows, blobs, trailer }
}

/** A slice's stream for a sink, in memory, so that a test can write it piece by piece. */
export function render(
  sink: SliceSink,
  write: (slice: SliceWriter) => void,
  meta: SliceMeta = {},
): { bytes: Buffer; trailer: SliceTrailer } {
  const { sliceId, writing } = sink
  return writeSlice(write, { sliceId, meta, ...writing })
}

const write = promisify(writeCallback)

/** Writes into a pipe on another thread: a pipe that is full keeps nobody waiting but the caller. */
export async function writeBytes(fd: number, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await write(fd, bytes, done)).bytesWritten
}

/** Asks until there is something. */
export async function until(ask: () => Promise<readonly unknown[]>): Promise<void> {
  // The turn of the loop lets what is waited for happen, if it happens in this process.
  while ((await ask()).length === 0) await setImmediate()
}

/** Writes and commits a slice that the database may refuse while it is still being written. */
export async function commitAnyway(
  sink: SliceSink,
  write: (slice: SliceWriter) => void,
  meta: SliceMeta = {},
): Promise<SliceInfo> {
  const { bytes, trailer } = render(sink, write, meta)
  await writeBytes(sink.fd, bytes).catch(() => undefined) // The commit tells why the pipe was broken.
  return sink.commit({ meta, trailer })
}

import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errnoOf } from '../../src/errors'
import type { Codec, SliceMeta, SliceTrailer } from '../../src/slice/types'
import { createSliceWriter, fdTarget } from '../../src/slice/writer'
import { FileStore } from '../../src/store/file'
import type { FileStoreOptions } from '../../src/store/file-options'
import type { SliceInfo, SliceSink, SliceSource, SliceStore } from '../../src/store/store'

/** Temporary directories and stores of one test file; `cleanUp` closes and removes them all. */
export class StoreBench {
  readonly #directories: string[] = []
  readonly #stores: FileStore[] = []
  readonly #cleanUps: (() => void)[] = []

  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'forksnap-store-'))
    this.#directories.push(directory)
    return directory
  }

  /** A store that is not started, on a directory of its own unless one is given. */
  store(options: Partial<FileStoreOptions> = {}): FileStore {
    const store = new FileStore({ directory: join(this.directory(), 'slices'), ...options })
    this.#stores.push(store)
    return store
  }

  async started(options: Partial<FileStoreOptions> = {}): Promise<FileStore> {
    const store = this.store(options)
    await store.start()
    return store
  }

  /** Runs before the directories are removed: to unmount, for example. */
  onCleanUp(work: () => void): void {
    this.#cleanUps.push(work)
  }

  async cleanUp(): Promise<void> {
    for (const store of this.#stores.splice(0)) await store.close()
    for (const work of this.#cleanUps.splice(0)) work()
    for (const directory of this.#directories.splice(0)) rmSync(directory, { recursive: true, force: true })
  }
}

export interface SliceContents {
  readonly meta?: SliceMeta
  readonly rows?: number
  /** Characters of text in each row. */
  readonly width?: number
}

/** Writes a whole slice into a descriptor, as the child would. */
export function writeContents(
  sink: Pick<SliceSink, 'fd' | 'sliceId' | 'writing'>,
  contents: SliceContents = {},
): SliceTrailer {
  const { meta = {}, rows = 10, width = 10 } = contents
  const codec: Codec = sink.writing.codec
  const { sliceId, writing } = sink
  const slice = createSliceWriter(fdTarget(sink.fd), { sliceId, meta, codec, syncEveryBytes: writing.syncEveryBytes })
  const table = slice.table('order_slice', [
    ['id', 'int8'],
    ['market', 'text'],
  ])
  for (let id = 1; id <= rows; id++) table.row(BigInt(id), 'x'.repeat(width))
  slice.set('rows', rows)
  return slice.finish()
}

export async function publish(store: FileStore, contents: SliceContents = {}): Promise<SliceInfo> {
  const sink = await store.create()
  const trailer = writeContents(sink, contents)
  return sink.commit({ meta: contents.meta ?? {}, trailer })
}

/** The ids of the `order_slice` table, read through the handlers. */
export async function readIds(source: SliceSource): Promise<bigint[]> {
  const ids: bigint[] = []
  await source.read({ row: (_table, values) => void ids.push(values[0] as bigint) })
  return ids
}

export async function listedIds(store: FileStore): Promise<bigint[]> {
  return (await store.list()).map((info) => info.sliceId)
}

/** Names in a store's directory other than the lock's and the epoch's, sorted. */
export function sliceFiles(store: FileStore): string[] {
  return readdirSync(store.directory)
    .filter((name) => name !== 'lock' && name !== 'epoch')
    .sort()
}

/** The error that a promise rejects with; fails if it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error('expected a rejection')
}

/** The code of the error that a call throws, or undefined if it throws none. */
export function codeThrown(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return errnoOf(error)
  }
}

/** Files below a directory that this process has open. */
export function openBelow(directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(`${directory}/`) ? [path] : []
    } catch {
      return [] // The descriptor of the listing itself, which is closed by now.
    }
  })
}

/** What becomes of sinks that are asked for just before and while a store is closed, and what is left of them. */
export async function closedWhileCreating(store: SliceStore, directory: string) {
  const before = store.create()
  const closing = store.close()
  const meanwhile = store.create().catch((error: unknown) => error)
  const { sliceId } = await before
  await closing
  return { sliceId, meanwhile: await meanwhile, open: openBelow(directory) }
}

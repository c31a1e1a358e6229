import { open, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { ForksnapError, isForksnapError } from '../errors'
import { readHeader } from '../slice/reader'
import { FileStore } from '../store/file'
import { parseSliceName, type SliceKey } from '../store/file-names'
import { FileSource } from '../store/file-source'
import type { SliceInfo, SliceSource } from '../store/store'
import { UsageError } from './command'
import { type Place, placeOf } from './place'
import { Problem } from './problem'
import { fileSections, type Section } from './sections'
import { asStandardInput, spoolStandardInput, withoutPath } from './standard-input'

/** `void`: of an epoch before the last reset, so that it is never recovered from. */
export type SliceState = 'readable' | 'void' | 'damaged' | 'unreadable'

export interface ListedSlice {
  readonly info: SliceInfo
  readonly state: SliceState
  /** Why it cannot be read. */
  readonly error?: unknown
}

/** The slices of a place, newest first. */
export interface Slices {
  readonly place: Place
  list(): Promise<SliceInfo[]>
  /** Only known once `list()` has resolved. */
  resetEpoch(): bigint
  open(sliceId: bigint): Promise<SliceSource>
  /** What a slice holds, in the order of its stream. */
  sections(source: SliceSource): Promise<Section[]>
}

/** Where in a database. */
export interface StoreNames {
  readonly schema?: string
  readonly name?: string
}

export async function slicesOf(text: string, names: StoreNames): Promise<Slices> {
  const place = await placeOf(text)
  if (place.kind === 'postgres') return (await import('./database.js')).databaseSlices(place, names)
  checkNames(names)
  if (place.kind === 'file') return singleFile(place)
  if (place.kind === 'stdin') return standardInputSlice(place)
  const store = new FileStore({ directory: place.path })
  return {
    place,
    list: () => store.list(),
    resetEpoch: () => store.epoch,
    open: (sliceId) => store.open(sliceId),
    sections: fileSections,
  }
}

/** Throws `UsageError` for what names something in a database, where there is none. */
export function checkNames(names: StoreNames): void {
  for (const option of ['schema', 'name'] as const) {
    if (names[option] !== undefined) throw new UsageError(`--${option} belongs to a postgres:// URL`)
  }
}

function singleFile(place: Place): Slices {
  const openIt = async (): Promise<SliceSource> => {
    const leave = (path: string): Promise<string> => Promise.resolve(path)
    return FileSource.open(place.path, await keyOf(place.path), leave)
  }
  const list = async (): Promise<SliceInfo[]> => {
    try {
      const source = await openIt()
      await source.close()
      return [source.info]
    } catch (error) {
      if (!isForksnapError(error)) throw error
      return [await describeUnreadable(place.path)] // Whoever opens it is told.
    }
  }
  return { place, list, resetEpoch: () => 0n, open: openIt, sections: fileSections }
}

async function standardInputSlice(place: Place): Promise<Slices> {
  const slices = singleFile({ ...place, path: await spoolStandardInput() })
  const open = (sliceId: bigint): Promise<SliceSource> =>
    slices.open(sliceId).then(asStandardInput, (error: unknown) => {
      throw withoutPath(error)
    })
  return { ...slices, open }
}

/** Where a slice is, for people and programs: what arrived at standard input is nowhere. */
export function locationOf({ place }: Slices, { location }: SliceInfo): string {
  return place.kind === 'stdin' ? '-' : location
}

async function describeUnreadable(path: string): Promise<SliceInfo> {
  const key = parseSliceName(basename(path)) ?? { epoch: 0n, position: 0n, sliceId: 0n }
  const { size, mtime } = await stat(path)
  return { ...key, rows: 0, bytes: size, createdAt: mtime, meta: {}, location: resolve(path) }
}

/** What the name says, or, for a copy under another name, what the slice itself does: its epoch is then not known. */
async function keyOf(path: string): Promise<SliceKey> {
  const named = parseSliceName(basename(path))
  if (named !== null) return named
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const read = async (position: number, length: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position)
      return buffer.subarray(0, bytesRead)
    }
    const { sliceId, meta } = await readHeader(read, size).catch((error: unknown) => {
      throw isForksnapError(error) ? withPath(error, path) : error
    })
    return { epoch: 0n, position: meta.position ?? 0n, sliceId }
  } finally {
    await file.close()
  }
}

function withPath(error: ForksnapError, path: string): ForksnapError {
  return new ForksnapError(error.code, `${path}: ${error.message}`, { cause: error, path, offset: error.offset ?? 0 })
}

/** Looks at the beginning and the end of each slice. */
export async function listSlices(slices: Slices): Promise<ListedSlice[]> {
  const listed: ListedSlice[] = []
  for (const info of await slices.list()) {
    const isVoid = info.epoch < slices.resetEpoch() && slices.place.kind !== 'file'
    try {
      const source = await slices.open(info.sliceId)
      await source.close()
      listed.push({ info, state: isVoid ? 'void' : 'readable' })
    } catch (error) {
      if (isForksnapError(error, 'ERR_SLICE_NOT_FOUND')) continue // Removed meanwhile.
      if (!isForksnapError(error) || error.code === 'ERR_STORE_FAILED') throw error
      listed.push({ info, state: error.code === 'ERR_SLICE_CORRUPT' ? 'damaged' : 'unreadable', error })
    }
  }
  return listed
}

/** The slice that is asked for, or the newest. Throws `Problem` where there is none. */
export async function openOne(slices: Slices, sliceId: bigint | undefined): Promise<SliceSource> {
  const [newest] = sliceId === undefined ? await slices.list() : []
  const id = sliceId ?? newest?.sliceId
  if (id === undefined) throw new Problem(`There is no slice in ${slices.place.shown}`)
  const source = await slices.open(id)
  if (source.info.sliceId === id) return source
  await source.close()
  throw new Problem(`${slices.place.shown} is slice ${source.info.sliceId}, not slice ${id}`)
}

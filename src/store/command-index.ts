import { constants } from 'node:fs'
import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { errnoOf, ForksnapError } from '../errors'
import { step, syncStep } from '../failpoint'
import { readHeaderPayload, readTrailerPayload } from '../slice/control'
import { hex32 } from '../slice/format'
import { encodeMeta } from '../slice/json'
import type { Codec, SliceHeader, SliceTrailer } from '../slice/types'
import type { Placeholders } from './command-process'
import { closeFd, fsyncFd, readInto, writeText } from './descriptor'
import { compareNewestFirst, parseSliceName, sliceName, type SliceKey } from './file-names'
import { createExclusive, fsyncDirectory, openRegular, removeFile } from './safe-open'

/**
 * What a CommandStore knows of its slices: a directory with one small file for each, beside the files `lock` and
 * `epoch` that are a FileStore's too (file-names.ts).
 *
 *   e<epoch>-p<position>-i<id>.entry          a published slice: a line of JSON, a line with its CRC-32
 *   e<epoch>-p<position>-i<id>.entry.broken   one whose stream or entry was found damaged
 *   begun-e<epoch>-i<id>                      a slice whose command was started; what is not published is to be removed
 *   gone-e<epoch>-i<id>                       a slice that is withdrawn or removed, and whose bytes are still to be removed
 *   used-i<id>                                the highest id, where no other name has it: ids are never given twice, so
 *                                             that a command of a crashed server cannot overwrite a newer slice
 */
const ENTRY = '.entry'
const BEGUN_NAME = /^begun-e(\d{19})-i(\d{19})$/
const GONE_NAME = /^gone-e(\d{19})-i(\d{19})$/
const ANY_ID = /-i(\d{19})(?:\.entry(?:\.broken)?)?$/
const ENTRY_BYTES_MAX = 32 * 1024 * 1024

export interface IndexEntry extends SliceKey {
  readonly path: string
}

export interface EntryContents {
  readonly header: SliceHeader
  readonly trailer: SliceTrailer
  readonly createdAt: Date
}

function digits(value: bigint): string {
  return value.toString().padStart(19, '0')
}

/** The files of the index; what is built upon is durable when it resolves. The caller sees to it that they come one by one. */
export class CommandIndex {
  #lastId = 0n

  constructor(readonly directory: string) {}

  /** Learns which ids are used, and lists what a crash left unfinished as to be removed. */
  async load(): Promise<void> {
    for (const name of await readdir(this.directory)) {
      const id = BigInt(ANY_ID.exec(name)?.[1] ?? 0)
      if (id > this.#lastId) this.#lastId = id
      const begun = BEGUN_NAME.exec(name)
      if (begun === null) continue
      const [epoch, sliceId] = begun.slice(1).map(BigInt) as [bigint, bigint]
      const gone = this.#gonePath({ epoch, sliceId })
      await step('store.command.start.rename', () => rename(join(this.directory, name), gone))
    }
    // Whoever was killed may not have come to it, and what is published here is built upon.
    await syncStep('store.command.start.directory-sync', () => fsyncDirectory(this.directory))
  }

  /** Published slices, newest first. */
  async entries(): Promise<IndexEntry[]> {
    const entries: IndexEntry[] = []
    for (const name of await readdir(this.directory)) {
      const key = name.endsWith(ENTRY) ? parseSliceName(`${name.slice(0, -ENTRY.length)}.slice`) : null
      if (key !== null) entries.push({ ...key, path: join(this.directory, name) })
    }
    return entries.sort(compareNewestFirst)
  }

  /** The next id, durably taken. */
  async begin(epoch: bigint): Promise<Placeholders> {
    const sliceId = this.#lastId + 1n
    const used = join(this.directory, `used-i${digits(this.#lastId)}`)
    const path = this.#begunPath({ epoch, sliceId })
    await step('store.command.begin.create', async () => closeFd(await createExclusive(path)))
    this.#lastId = sliceId
    await syncStep('store.command.begin.directory-sync', () => fsyncDirectory(this.directory))
    await removeFile(used)
    return { epoch, sliceId }
  }

  /** Writes the entry beside its final name, syncs it and gives it its name. */
  async publish(key: SliceKey, contents: EntryContents): Promise<string> {
    const begun = this.#begunPath(key)
    const path = join(this.directory, entryName(key))
    const { fd } = await openRegular(begun, constants.O_RDWR)
    try {
      await step('store.command.publish.write', () => writeText(fd, encodeEntry(contents)))
      await syncStep('store.command.publish.sync', () => fsyncFd(fd))
    } finally {
      await closeFd(fd)
    }
    await step('store.command.publish.rename', () => rename(begun, path))
    try {
      await syncStep('store.command.publish.directory-sync', () => fsyncDirectory(this.directory))
    } catch (error) {
      await rename(path, begun).catch(() => undefined) // The failed sync is the error to tell.
      throw error
    }
    return path
  }

  /** A begun slice is not to be published any more. Without a sync, since a start treats one that is begun in the same way. */
  async withdraw(slice: Placeholders): Promise<void> {
    await step('store.command.withdraw.rename', () => rename(this.#begunPath(slice), this.#gonePath(slice)))
  }

  /** A published slice is no longer listed. Oldest first, so that a crash halfway leaves the newer ones. */
  async unlist(newestFirst: readonly IndexEntry[]): Promise<void> {
    for (const entry of newestFirst.toReversed()) {
      await step('store.command.unlist.rename', () => rename(entry.path, this.#gonePath(entry)))
    }
    if (newestFirst.length === 0) return
    await syncStep('store.command.unlist.directory-sync', () => fsyncDirectory(this.directory))
  }

  /** Slices whose bytes are still to be removed. */
  async gone(): Promise<Placeholders[]> {
    const names = await readdir(this.directory)
    return names.flatMap((name) => {
      const [epoch, sliceId] = (GONE_NAME.exec(name) ?? []).slice(1).map(BigInt)
      return epoch === undefined || sliceId === undefined ? [] : [{ epoch, sliceId }]
    })
  }

  /**
   * The bytes of a slice are removed: forgets it, but for its id if no higher one was given. Without a sync: if the old
   * name comes back, it holds the id as well, and what it asks for is done once more.
   */
  async forget(slice: Placeholders): Promise<void> {
    const path = this.#gonePath(slice)
    // A prune() beside a cancelled save may have removed the same bytes and have forgotten them first.
    await step('store.command.forget.rename', async () => {
      if (slice.sliceId !== this.#lastId) await removeFile(path)
      else await rename(path, join(this.directory, `used-i${digits(slice.sliceId)}`)).catch(ignoreMissing)
    })
  }

  /** Keeps a damaged slice's entry aside. Its bytes stay where the command put them. */
  async setAside(entry: IndexEntry): Promise<string> {
    const broken = `${entry.path}.broken`
    await step('store.command.broken.rename', () => rename(entry.path, broken))
    await syncStep('store.command.broken.directory-sync', () => fsyncDirectory(this.directory))
    return broken
  }

  #begunPath({ epoch, sliceId }: Placeholders): string {
    return join(this.directory, `begun-e${digits(epoch)}-i${digits(sliceId)}`)
  }

  #gonePath({ epoch, sliceId }: Placeholders): string {
    return join(this.directory, `gone-e${digits(epoch)}-i${digits(sliceId)}`)
  }
}

function ignoreMissing(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error
}

function entryName(key: SliceKey): string {
  return sliceName(key).replace(/\.slice$/, ENTRY)
}

/** The first two frames are JSON already in the stream; the entry holds them in the same form. */
function encodeEntry({ header, trailer, createdAt }: EntryContents): string {
  const { sliceId, codec, meta } = header
  const { rows, tables, blobs, values, bytes, checksum } = trailer
  const counts = { tables: tables.map((one) => [one.name, one.rows]), blobs: blobs.map((one) => [one.name, one.bytes]) }
  const json = JSON.stringify({
    createdAt: createdAt.getTime(),
    bytes,
    header: { sliceId: String(sliceId), codec: codec satisfies Codec, meta: encodeMeta(meta) },
    trailer: { rows, ...counts, values, checksum },
  })
  return `${json}\n${hex32(crc32(json))}\n`
}

/** Throws `ERR_SLICE_CORRUPT` for an entry that is damaged, `ERR_SLICE_VERSION` for one of a newer version. */
export async function readEntry({ path, sliceId, position }: IndexEntry): Promise<EntryContents> {
  const { fd, stats } = await openRegular(path, constants.O_RDONLY)
  let text: string
  try {
    text = (await readInto(fd, Buffer.alloc(Math.min(stats.size, ENTRY_BYTES_MAX)), 0)).toString()
  } finally {
    await closeFd(fd)
  }
  const [json = '', checksum = '', ...rest] = text.split('\n')
  if (checksum !== hex32(crc32(json)) || rest.length !== 1 || rest[0] !== '') throw damaged(path, 'is damaged')
  const contents = decodeEntry(json, path)
  const { header } = contents
  if (header.sliceId === sliceId && (header.meta.position ?? 0n) === position) return contents
  throw damaged(path, 'has a name that does not fit its contents')
}

function decodeEntry(json: string, path: string): EntryContents {
  const parsed = JSON.parse(json) as {
    createdAt: number
    bytes: number
    header: unknown
    trailer: { checksum: string }
  }
  const header = readHeaderPayload(Buffer.from(JSON.stringify(parsed.header)), 0)
  const chain = Number.parseInt(parsed.trailer.checksum, 16)
  const trailer = readTrailerPayload(Buffer.from(JSON.stringify(parsed.trailer)), chain, 0)
  if (!Number.isSafeInteger(parsed.bytes)) throw damaged(path, 'has no length')
  return { header, trailer: { ...trailer, bytes: parsed.bytes }, createdAt: new Date(parsed.createdAt) }
}

function damaged(path: string, how: string): ForksnapError {
  const message = `The index entry ${path} ${how}; use an older slice`
  return new ForksnapError('ERR_SLICE_CORRUPT', message, { path, offset: 0 })
}

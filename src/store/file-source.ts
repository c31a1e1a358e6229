import { constants, type Stats } from 'node:fs'
import { basename } from 'node:path'
import { ForksnapError, isForksnapError } from '../errors'
import { CHUNK_BYTES_MAX, readHeader, readTrailer, SliceParser } from '../slice/reader'
import type { SliceHeader, SliceMeta, SliceTrailer } from '../slice/types'
import { closeFd, readAt, readInto } from './descriptor'
import type { SliceKey } from './file-names'
import { asStoreError, openRegular } from './safe-open'
import type { SliceHandlers, SliceInfo, SliceSource } from './store'

/** Sets a damaged file aside if this process may; returns the path at which it is now. */
export type SetAside = (path: string, file: { dev: number; ino: number }) => Promise<string>

/** A published slice that is open for reading. It holds two chunks and one frame at a time, however long the slice is. */
export class FileSource implements SliceSource {
  readonly info: SliceInfo
  readonly header: SliceHeader
  readonly trailer: SliceTrailer
  readonly #fd: number
  readonly #file: { dev: number; ino: number }
  readonly #setAside: SetAside
  #reading = 0
  #closed = false

  private constructor(file: OpenFile, ends: SliceEnds, info: SliceInfo, setAside: SetAside) {
    this.#fd = file.fd
    this.#file = file
    this.#setAside = setAside
    this.header = ends.header
    this.trailer = ends.trailer
    this.info = info
  }

  /** Opens a file of that key's name. Throws `ERR_UNSAFE_PATH`, `ERR_SLICE_CORRUPT`, `ERR_SLICE_VERSION`. */
  static async open(path: string, key: SliceKey, setAside: SetAside): Promise<FileSource> {
    const { fd, stats } = await openRegular(path, constants.O_RDONLY)
    const file = { fd, dev: stats.dev, ino: stats.ino }
    try {
      const ends = await readEnds(fd, stats.size)
      checkName(path, key, ends.header)
      return new FileSource(file, ends, describeSlice(path, key, ends, stats), setAside)
    } catch (error) {
      try {
        throw await damageAside(error, path, file, setAside)
      } finally {
        await closeFd(fd)
      }
    }
  }

  read(handlers: SliceHandlers): Promise<SliceTrailer> {
    return this.#stream(handlers)
  }

  verify(): Promise<SliceTrailer> {
    return this.#stream({})
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#reading === 0) await closeFd(this.#fd)
  }

  async #stream(handlers: SliceHandlers): Promise<SliceTrailer> {
    this.#checkOpen()
    this.#reading += 1
    try {
      return await this.#parse(handlers)
    } catch (error) {
      if (isForksnapError(error, 'ERR_SLICE_CORRUPT')) await this.#confirmDamage(error)
      throw error
    } finally {
      this.#reading -= 1
      // close() during a read leaves the descriptor to the last reader: its number could be another file's by now.
      if (this.#closed && this.#reading === 0) await closeFd(this.#fd)
    }
  }

  /** One chunk is parsed while the next one is read. */
  async #parse(handlers: SliceHandlers): Promise<SliceTrailer> {
    const parser = new SliceParser(handlers)
    const total = this.info.bytes
    const size = Math.min(CHUNK_BYTES_MAX, total)
    let [current, spare] = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)]
    let reading = this.#readChunk(current, 0)
    try {
      for (let position = 0; position < total;) {
        const chunk = await reading
        this.#checkOpen()
        if (chunk.length === 0) break
        position += chunk.length
        if (position < total) {
          const next = Math.min(parser.chunkBytes(position), total - position)
          reading = this.#readChunk(spare.subarray(0, next), position)
        }
        parser.push(chunk)
        handlers.progress?.(position, total)
        ;[current, spare] = [spare, current]
      }
    } finally {
      // The descriptor may be closed and the buffers are gone after this.
      await reading.catch(() => undefined)
    }
    return parser.end()
  }

  async #readChunk(buffer: Buffer, position: number): Promise<Buffer> {
    try {
      return await readInto(this.#fd, buffer, position)
    } catch (error) {
      throw asStoreError(error, 'read the slice', this.info.location)
    }
  }

  /**
   * Reads again without the caller's handlers, and only if that finds damage as well sets the file aside: a handler may
   * throw an error of the same code for a reason of its own, and that must not cost a good slice its name.
   */
  async #confirmDamage(first: ForksnapError): Promise<void> {
    try {
      await this.#parse({})
    } catch (error) {
      throw await damageAside(error, this.info.location, this.#file, this.#setAside)
    }
    throw first
  }

  #checkOpen(): void {
    if (!this.#closed) return
    throw new ForksnapError('ERR_INVALID_STATE', `Slice ${this.info.sliceId} was closed; open() it again to read it`)
  }
}

interface OpenFile {
  readonly fd: number
  readonly dev: number
  readonly ino: number
}

export interface SliceEnds {
  readonly header: SliceHeader
  readonly trailer: SliceTrailer
}

/** Reads and checks the first and the last frame of a slice. */
export async function readEnds(fd: number, size: number): Promise<SliceEnds> {
  const read = (position: number, length: number): Promise<Buffer> => readAt(fd, position, length)
  const header = await readHeader(read, size)
  return { header, trailer: await readTrailer(read, size) }
}

function describeSlice(path: string, key: SliceKey, ends: SliceEnds, stats: Stats): SliceInfo {
  const { sliceId, epoch, position } = key
  const [{ rows }, { meta }] = [ends.trailer, ends.header]
  return { sliceId, epoch, position, rows, bytes: stats.size, createdAt: stats.mtime, meta, location: path }
}

export function positionOf(meta: SliceMeta): bigint {
  return meta.position ?? 0n
}

/** The order of slices is in their names, so a name that does not fit the contents could restore an old state. */
function checkName(path: string, key: SliceKey, header: SliceHeader): void {
  if (header.sliceId === key.sliceId && positionOf(header.meta) === key.position) return
  const holds = `it holds slice ${header.sliceId} at position ${positionOf(header.meta)}`
  throw new ForksnapError('ERR_SLICE_CORRUPT', `The name ${path} does not fit the slice: ${holds}`, { path, offset: 0 })
}

/** For damage: sets the file aside and returns the error with its path. Any other error is returned as it is. */
async function damageAside(
  error: unknown,
  path: string,
  file: { dev: number; ino: number },
  setAside: SetAside,
): Promise<unknown> {
  if (!isForksnapError(error, 'ERR_SLICE_CORRUPT')) return error
  const offset = error.offset ?? 0
  let now = path
  let after = 'it was left in its place'
  try {
    now = await setAside(path, file)
    if (now !== path) after = `it is kept as ${basename(now)}`
  } catch (failure) {
    after = `it could not be set aside: ${failure instanceof Error ? failure.message : String(failure)}`
  }
  const message = `${path}: ${error.message} (${after})`
  return new ForksnapError('ERR_SLICE_CORRUPT', message, { cause: error, path: now, offset })
}

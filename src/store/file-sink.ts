import { randomBytes } from 'node:crypto'
import { lstat, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { ForksnapError, isForksnapError } from '../errors'
import { step, syncStep } from '../failpoint'
import type { SliceMeta, SliceTrailer } from '../slice/types'
import { closeFd, fstatFd, fsyncFd } from './descriptor'
import { positionOf, readEnds } from './file-source'
import { sliceName, tempSliceName } from './file-names'
import { asStoreError, createExclusive, fsyncDirectory, removeFile } from './safe-open'
import { checkPosition, usedBefore } from './sink-checks'
import type { SliceInfo, SliceSink, SliceWriting } from './store'

/** What a sink needs of its store. */
export interface SinkHost {
  readonly directory: string
  currentEpoch(): bigint
  /** Runs the work when no other change of the directory is under way. */
  exclusive<T>(work: () => Promise<T>): Promise<T>
  /** Throws unless the directory is still this store's. */
  checkOwned(): Promise<void>
  /** The sink has published its slice or withdrawn it. */
  settled(sink: FileSink, published: SliceInfo | null): void
}

export interface CommitResult {
  readonly meta: SliceMeta
  readonly trailer: SliceTrailer
}

/**
 * One slice on its way into a FileStore: a temporary file until `commit` renames it.
 *
 * Commit order: check, fsync the file, rename, fsync the directory. A failure at any step withdraws the slice, so that
 * what the caller is told and what `list()` shows agree. That includes a failed sync of the directory, after which nobody
 * knows whether the name is on the disk: the name is removed again. If it comes back when the machine crashes just
 * then, it names a complete and synced slice whose position and epoch are right, which is harmless to recover from.
 * Slices published before are never touched by a commit.
 */
export class FileSink implements SliceSink {
  readonly sliceId: bigint
  readonly fd: number
  readonly writing: SliceWriting
  readonly #host: SinkHost
  readonly #epoch: bigint
  readonly #tempPath: string
  #committing: Promise<SliceInfo> | null = null
  #cancelling: Promise<void> | null = null

  private constructor(host: SinkHost, sliceId: bigint, fd: number, tempPath: string, writing: SliceWriting) {
    this.#host = host
    this.#epoch = host.currentEpoch()
    this.#tempPath = tempPath
    this.sliceId = sliceId
    this.fd = fd
    this.writing = writing
  }

  static async create(host: SinkHost, sliceId: bigint, writing: SliceWriting): Promise<FileSink> {
    const path = join(host.directory, tempSliceName(sliceId, randomBytes(8).toString('hex')))
    return new FileSink(host, sliceId, await createExclusive(path), path, writing)
  }

  commit(result: CommitResult): Promise<SliceInfo> {
    if (this.#committing !== null || this.#cancelling !== null) {
      return Promise.reject(usedBefore(this.sliceId))
    }
    this.#committing = this.#commit(result)
    return this.#committing
  }

  cancel(): Promise<void> {
    this.#cancelling ??= this.#cancel()
    return this.#cancelling
  }

  async #commit({ meta, trailer }: CommitResult): Promise<SliceInfo> {
    let published: SliceInfo | null = null
    try {
      const position = checkPosition(meta)
      await this.#checkRight()
      await this.#checkFile(meta, trailer)
      await syncStep('store.file.slice.sync', () => fsyncFd(this.fd))
      published = await this.#host.exclusive(() => this.#publish(position, meta, trailer))
      return published
    } catch (error) {
      await removeFile(this.#tempPath).catch(() => undefined) // The next start removes what could not be removed now.
      throw asStoreError(error, 'publish the slice', this.#tempPath)
    } finally {
      await this.#close()
      this.#host.settled(this, published)
    }
  }

  async #publish(position: bigint, meta: SliceMeta, trailer: SliceTrailer): Promise<SliceInfo> {
    await this.#checkRight()
    const name = sliceName({ epoch: this.#epoch, position, sliceId: this.sliceId })
    const path = join(this.#host.directory, name)
    const { mtime } = await fstatFd(this.fd)
    await step('store.file.slice.rename', () => rename(this.#tempPath, path))
    try {
      await syncStep('store.file.slice.directory-sync', () => fsyncDirectory(this.#host.directory))
    } catch (error) {
      await removeFile(path).catch(() => undefined) // The failed sync is the error to tell.
      throw error
    }
    const { rows, bytes } = trailer
    const key = { sliceId: this.sliceId, epoch: this.#epoch, position }
    return { ...key, rows, bytes, createdAt: mtime, meta, location: path }
  }

  /** Asked first, for a clear answer, and again just before the rename, when nothing else can change any more. */
  async #checkRight(): Promise<void> {
    await this.#host.checkOwned()
    if (this.#host.currentEpoch() === this.#epoch) return
    const epochs = `it was begun in epoch ${this.#epoch}, now it is epoch ${this.#host.currentEpoch()}`
    throw new ForksnapError('ERR_EPOCH_CHANGED', `Slice ${this.sliceId} was not published: ${epochs}; save again`)
  }

  /** The file must be the one that was created, as long as the child said, and begin and end with what the child said. */
  async #checkFile(meta: SliceMeta, trailer: SliceTrailer): Promise<void> {
    const stats = await fstatFd(this.fd)
    const named = await lstat(this.#tempPath)
    if (!stats.isFile() || named.dev !== stats.dev || named.ino !== stats.ino) {
      throw this.#mismatch('another file is in its place')
    }
    if (stats.size !== trailer.bytes) {
      throw this.#mismatch(`it has ${stats.size} bytes, the child reported ${trailer.bytes}`)
    }
    const found = await readEnds(this.fd, stats.size).catch((error: unknown) => {
      throw isForksnapError(error) ? this.#mismatch(`it is no whole slice (${error.message})`, error) : error
    })
    if (found.header.sliceId !== this.sliceId) throw this.#mismatch(`it holds slice ${found.header.sliceId}`)
    if (positionOf(found.header.meta) !== positionOf(meta)) throw this.#mismatch('its meta has another position')
    if (found.trailer.checksum !== trailer.checksum || found.trailer.rows !== trailer.rows) {
      throw this.#mismatch('its trailer is not the one that the child reported')
    }
  }

  async #cancel(): Promise<void> {
    if (this.#committing !== null) {
      await this.#committing.catch(() => undefined) // Its caller has the error, and it has cleaned up.
      return
    }
    try {
      await removeFile(this.#tempPath)
    } catch (error) {
      throw asStoreError(error, 'remove the unfinished slice', this.#tempPath)
    } finally {
      await this.#close()
      this.#host.settled(this, null)
    }
  }

  /** Whatever counts has been synced before, so an error of close() tells nothing more. */
  async #close(): Promise<void> {
    await closeFd(this.fd).catch(() => undefined)
  }

  #mismatch(why: string, cause?: unknown): ForksnapError {
    const message = `Slice ${this.sliceId} was not published: ${why}; see what else writes to ${this.#tempPath}`
    return new ForksnapError('ERR_STORE_FAILED', message, { path: this.#tempPath, cause })
  }
}

import { errnoOf, ForksnapError, isForksnapError } from '../errors'
import { step, syncStep } from '../failpoint'
import { FIRST_EPOCH, nextEpoch, readEpoch, replaceEpoch } from './epoch-file'
import { Exclusive } from './exclusive'
import { checkFileStoreOptions, type FileStoreOptions } from './file-options'
import { FileSink, type SinkHost } from './file-sink'
import { FileSource, type SetAside } from './file-source'
import { DirectoryLock } from './lock'
import { type KeepPolicy, slicesToRemove } from './retention'
import { OpenSinks } from './open-sinks'
import { asStoreError, checkDirectory, fsyncDirectory, makeDirectory, removeFile } from './safe-open'
import { highestSliceId, keepAsBroken, readEntries, removeStrayTemps, type SliceEntry } from './slice-directory'
import type { SliceInfo, SliceSink, SliceSource, SliceStore, SliceWriting } from './store'

export type { FileStoreOptions } from './file-options'

/**
 * Slices as files in one directory. The names are explained in file-names.ts, the order of a commit in file-sink.ts.
 *
 * Whoever changes the directory calls `start()` first and holds its lock until `close()`. `list()` and `open()` work
 * without it, beside a running owner too, and then leave damaged files where they are.
 *
 * Slice ids rise and are never given twice while a store is started. After a restart they go on from the highest id that
 * any file of the directory still carries.
 *
 * Every method rejects with `ERR_STORE_FAILED`, the system's error being its cause, if the file system refuses. Those
 * that change something reject with `ERR_INVALID_STATE` before `start()`, and with `ERR_FENCED` if the lock file was
 * removed or replaced.
 */
export class FileStore implements SliceStore {
  readonly kind = 'file'
  /** Where the slices are, as an absolute path. */
  readonly directory: string
  readonly #keep: KeepPolicy
  readonly #writing: SliceWriting
  readonly #changes = new Exclusive()
  readonly #sinks = new OpenSinks<FileSink>()
  /** Ids of slices whose bytes this process has seen to be right: it published them or read them in full. */
  readonly #good = new Set<bigint>()
  #lock: DirectoryLock | null = null
  #epoch = FIRST_EPOCH
  #lastSliceId = 0n

  /** Throws `ERR_INVALID_ARGUMENT` for options out of their ranges; touches no file. */
  constructor(options: FileStoreOptions) {
    const { directory, keep, writing } = checkFileStoreOptions(options)
    this.directory = directory
    this.#keep = keep
    this.#writing = writing
  }

  /** The epoch of new slices. A store that only reads knows it after `list()`. */
  get epoch(): bigint {
    return this.#epoch
  }

  /**
   * Creates the directory (0700) if need be, takes its lock, removes the temporary files of a crashed owner. Throws
   * `ERR_UNSAFE_PATH` if the directory is a symbolic link, another user's, or writable for group or others, `ERR_LOCKED`
   * if it is in use, `ERR_UNSUPPORTED_PLATFORM` without the native addon.
   */
  start(): Promise<void> {
    return this.#change('prepare the directory', async () => {
      if (this.#lock !== null) return
      await makeDirectory(this.directory)
      await checkDirectory(this.directory)
      const lock = await DirectoryLock.acquire(this.directory)
      try {
        // Before the stray files go: an id that one of them has was given out.
        const highest = await highestSliceId(this.directory)
        if (highest > this.#lastSliceId) this.#lastSliceId = highest
        await removeStrayTemps(this.directory)
        await this.#loadEpoch()
        await this.#keepWhatIsFound()
        this.#lock = lock
      } catch (error) {
        await lock.release()
        throw error
      }
    })
  }

  /** Who gave the newest slice or the epoch its name may have been killed before the name was durable. */
  async #keepWhatIsFound(): Promise<void> {
    if (this.#epoch === FIRST_EPOCH && (await readEntries(this.directory)).length === 0) return
    await syncStep('store.file.start.directory-sync', () => fsyncDirectory(this.directory))
  }

  create(): Promise<SliceSink> {
    const make = async (): Promise<FileSink> => {
      await this.#checkOwned()
      this.#lastSliceId += 1n
      return FileSink.create(this.#sinkHost(), this.#lastSliceId, this.#writing)
    }
    return this.#sinks.create(() => this.#change('create a slice in', make))
  }

  /** A slice whose header or trailer cannot be read is listed with 0 rows, so that `open()` can say what is wrong. */
  list(): Promise<SliceInfo[]> {
    return this.#attempt('list the slices in', async () => {
      if (this.#lock === null) await this.#loadEpoch()
      const infos: SliceInfo[] = []
      for (const entry of await this.#published()) {
        const info = await describe(entry)
        if (info !== null) infos.push(info)
      }
      return infos
    })
  }

  /** Renames a damaged slice to `.broken` if this store is started. Throws `ERR_UNSAFE_PATH` too. */
  open(sliceId: bigint): Promise<SliceSource> {
    return this.#attempt(`open slice ${sliceId} in`, async () => {
      const entry = (await readEntries(this.directory)).find((one) => one.sliceId === sliceId)
      if (entry === undefined) throw this.#notFound(sliceId)
      try {
        return await FileSource.open(entry.path, entry, this.#setAside(sliceId))
      } catch (error) {
        throw errnoOf(error) === 'ENOENT' ? this.#notFound(sliceId) : error
      }
    })
  }

  remove(sliceId: bigint): Promise<void> {
    return this.#change(`remove slice ${sliceId} from`, async () => {
      await this.#checkOwned()
      const entries = (await readEntries(this.directory)).filter((entry) => entry.sliceId === sliceId)
      if (entries.length === 0) throw this.#notFound(sliceId)
      await this.#removeAll(entries)
    })
  }

  /**
   * Slices of older epochs stay until they are pruned; `openNewest()` passes them over. Unfinished slices of the old
   * epoch can no longer be committed (`ERR_EPOCH_CHANGED`). If only the last step fails, the sync of the directory, then the new epoch is in
   * force here although it may be lost in a crash: slices written from now on must not be older than the file says.
   */
  beginEpoch(): Promise<bigint> {
    return this.#change('begin an epoch in', async () => {
      await this.#checkOwned()
      const next = nextEpoch(this.#epoch)
      await replaceEpoch(this.directory, next)
      this.#epoch = next
      await syncStep('store.file.epoch.directory-sync', () => fsyncDirectory(this.directory))
      return next
    })
  }

  /**
   * Removes what `keep` no longer covers, by count **or** by age (`KeepPolicy`). The newest good slice stays whatever
   * the limits say; to know it, slices that this process has neither written nor read are read in full here. If
   * no slice is good, nothing is removed. Removed slices are durably gone when this resolves.
   */
  async prune(): Promise<bigint[]> {
    const newestGoodId = await this.#attempt('prune', () => this.#findNewestGood())
    return this.#change('prune', async () => {
      await this.#checkOwned()
      const entries = await this.#published()
      if (newestGoodId === null || !entries.some((entry) => entry.sliceId === newestGoodId)) return []
      const removed = slicesToRemove(entries, this.#keep, newestGoodId, Date.now())
      await this.#removeAll(removed)
      return removed.map((entry) => entry.sliceId)
    })
  }

  /** Waits for running commits, cancels unfinished slices, releases the lock. Open sources stay readable. */
  close(): Promise<void> {
    const unlock = async (): Promise<void> => {
      const lock = this.#lock
      this.#lock = null
      this.#good.clear() // Without the lock, others may change the files.
      await lock?.release()
    }
    return this.#sinks.close(() => this.#change('unlock', unlock))
  }

  #sinkHost(): SinkHost {
    return {
      directory: this.directory,
      currentEpoch: () => this.#epoch,
      exclusive: (work) => this.#changes.run(work),
      checkOwned: () => this.#checkOwned(),
      settled: (sink, published) => {
        this.#sinks.settled(sink)
        if (published !== null) this.#good.add(published.sliceId)
      },
    }
  }

  #setAside(sliceId: bigint): SetAside {
    return (path, file) => {
      this.#good.delete(sliceId)
      if (this.#lock === null) return Promise.resolve(path)
      return this.#change('set aside a damaged slice in', async () => {
        await this.#checkOwned()
        return keepAsBroken(this.directory, path, file)
      })
    }
  }

  async #findNewestGood(): Promise<bigint | null> {
    await this.#checkOwned()
    for (const entry of await this.#published()) {
      if (this.#good.has(entry.sliceId) || (await this.#isGood(entry.sliceId))) return entry.sliceId
    }
    return null
  }

  /** Reads a slice in full. What cannot be judged here (a newer format, an unsafe path) does not count as good. */
  async #isGood(sliceId: bigint): Promise<boolean> {
    try {
      const source = await this.open(sliceId)
      await source.verify().finally(() => source.close())
      this.#good.add(sliceId)
      return true
    } catch (error) {
      if (isForksnapError(error) && error.code !== 'ERR_STORE_FAILED') return false
      throw error
    }
  }

  async #published(): Promise<SliceEntry[]> {
    return (await readEntries(this.directory)).filter((entry) => entry.regular)
  }

  /** A lost epoch file must not make old slices of a later epoch look new, hence the look at the slices too. */
  async #loadEpoch(): Promise<void> {
    const written = await readEpoch(this.directory)
    const used = (await this.#published())[0]?.epoch ?? FIRST_EPOCH
    this.#epoch = used > written ? used : written
  }

  /** Oldest first, so that a crash halfway leaves the newer ones. */
  async #removeAll(newestFirst: readonly SliceEntry[]): Promise<void> {
    for (const entry of newestFirst.toReversed()) {
      await step('store.file.remove.unlink', () => removeFile(entry.path))
      this.#good.delete(entry.sliceId)
    }
    if (newestFirst.length === 0) return
    await syncStep('store.file.remove.directory-sync', () => fsyncDirectory(this.directory))
  }

  async #checkOwned(): Promise<void> {
    if (this.#lock === null) {
      throw new ForksnapError('ERR_INVALID_STATE', `The store of ${this.directory} is not started; call start() first`)
    }
    if (await this.#lock.isOurs()) return
    const message = `The lock file of ${this.directory} was removed or replaced, so another process may own it; restart`
    throw new ForksnapError('ERR_FENCED', message, { path: this.directory })
  }

  #notFound(sliceId: bigint): ForksnapError {
    const message = `There is no slice ${sliceId} in ${this.directory}; list() shows what there is`
    return new ForksnapError('ERR_SLICE_NOT_FOUND', message, { path: this.directory })
  }

  #change<T>(doing: string, work: () => Promise<T>): Promise<T> {
    return this.#attempt(doing, () => this.#changes.run(work))
  }

  async #attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw asStoreError(error, doing, this.directory)
    }
  }
}

/** What `list()` tells of a file; null if it was removed meanwhile. */
async function describe(entry: SliceEntry): Promise<SliceInfo | null> {
  try {
    const source = await FileSource.open(entry.path, entry, (path) => Promise.resolve(path))
    await source.close()
    return source.info
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    if (!isForksnapError(error)) throw error
    const { sliceId, epoch, position, bytes, createdAt, path } = entry
    return { sliceId, epoch, position, rows: 0, bytes, createdAt, meta: { position }, location: path }
  }
}

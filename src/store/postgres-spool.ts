import { lstat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { backOffMs } from '../back-off'
import { errnoOf, ForksnapError, isForksnapError } from '../errors'
import { step, syncStep } from '../failpoint'
import { Exclusive } from './exclusive'
import { FileSink, type SinkHost } from './file-sink'
import { FileSource } from './file-source'
import { DirectoryLock } from './lock'
import type { SpoolOptions } from './postgres-options'
import { OpenSinks } from './open-sinks'
import { rowsWriting } from './postgres-sink'
import { type KeepPolicy, slicesToRemove } from './retention'
import { asStoreError, checkDirectory, fsyncDirectory, makeDirectory, removeFile } from './safe-open'
import { highestSliceId, keepAsBroken, readEntries, removeStrayTemps, type SliceEntry } from './slice-directory'
import type { SliceHandlers, SliceInfo, SliceSource } from './store'

/** What the spool needs of its store. */
export interface SpoolHost {
  epoch(): bigint
  resetEpoch(): bigint
  /** Rejects with `ERR_FENCED` if the database says that somebody else owns the slices now. */
  checkEpoch(): Promise<void>
  keep: KeepPolicy
  /** Resolves when the slice is in the database, whoever brought it there. */
  load(entry: SliceEntry): Promise<void>
  /** Removes from the database what is not kept any more; called after loading. */
  pruneLoaded(): Promise<void>
}

const RETRY = { initialMs: 500, maxMs: 60_000, factor: 2 }
const SYNC_EVERY_BYTES = 4 * 1024 * 1024

/**
 * Slices that are durable in files and wait for the database. A file is removed once its slice is committed there; until
 * then it is loaded again and again, also after a restart. One that was already loaded when the process died is found in
 * the catalogue and only removed.
 */
export class Spool {
  readonly #options: SpoolOptions
  readonly #host: SpoolHost
  readonly #changes = new Exclusive()
  readonly #sinks = new OpenSinks<FileSink>()
  #lock: DirectoryLock | undefined
  #closing = new AbortController()
  #running: Promise<void> | undefined
  #again = false
  /** The one that is on its way into the database. */
  #loading: { readonly sliceId: bigint; readonly done: Promise<unknown> } | undefined
  /** Set when a newer owner has taken over: what is here can never be loaded by this process. */
  fenced: ForksnapError | undefined

  constructor(options: SpoolOptions, host: SpoolHost) {
    this.#options = options
    this.#host = host
  }

  get directory(): string {
    return this.#options.directory
  }

  /** Takes the directory's lock. Resolves with the highest id and epoch of its slices, or 0n. Loading begins with `wake`. */
  async start(): Promise<{ readonly sliceId: bigint; readonly epoch: bigint }> {
    await makeDirectory(this.directory)
    await checkDirectory(this.directory)
    const lock = await DirectoryLock.acquire(this.directory)
    try {
      await removeStrayTemps(this.directory)
      const sliceId = await highestSliceId(this.directory)
      // The newest comes first, and epochs go before all else.
      const epoch = (await readEntries(this.directory))[0]?.epoch ?? 0n
      // Who gave a slice its name, or removed one, may have been killed before that was durable.
      await syncStep('store.postgres.spool.start.directory-sync', () => fsyncDirectory(this.directory))
      this.#lock = lock
      this.#closing = new AbortController()
      this.fenced = undefined
      return { sliceId, epoch }
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  create(nextId: () => Promise<bigint>): Promise<FileSink> {
    return this.#sinks.create(async () => {
      const sliceId = await nextId()
      if (this.fenced !== undefined) throw this.fenced
      const writing = { codec: this.#options.codec, syncEveryBytes: SYNC_EVERY_BYTES, ...rowsWriting(sliceId) }
      return FileSink.create(this.#sinkHost(), sliceId, writing)
    })
  }

  #sinkHost(): SinkHost {
    return {
      directory: this.directory,
      currentEpoch: () => this.#host.epoch(),
      exclusive: (work) => this.#changes.run(work),
      checkOwned: () => this.#checkOwned(),
      settled: (sink, published) => {
        this.#sinks.settled(sink)
        if (published !== null) this.wake()
      },
    }
  }

  async #checkOwned(): Promise<void> {
    if (this.fenced !== undefined) throw this.fenced
    if ((await this.#lock?.isOurs()) !== true) {
      throw new ForksnapError('ERR_FENCED', `The lock file of ${this.directory} was removed or replaced; restart`)
    }
    await this.#host.checkEpoch().catch((error: unknown) => {
      if (isForksnapError(error, 'ERR_FENCED')) this.fenced = error
      throw error
    })
  }

  /** Slices that wait, newest first. Without the lock too, beside an owner: there need not be a directory then. */
  async entries(): Promise<SliceEntry[]> {
    try {
      return (await readEntries(this.directory)).filter((entry) => entry.regular)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' && this.#lock === undefined) return []
      throw asStoreError(error, 'list the slices in', this.directory)
    }
  }

  /** A slice that cannot be read is listed by what its name says: whoever opens it is told, and loading keeps damage aside. */
  async list(): Promise<SliceInfo[]> {
    const infos: SliceInfo[] = []
    for (const entry of await this.entries()) {
      const info = await this.#describe(entry)
      if (info !== undefined) infos.push(info)
    }
    return infos
  }

  async #describe(entry: SliceEntry): Promise<SliceInfo | undefined> {
    try {
      const source = await this.#open(entry)
      await source?.close()
      return source?.info
    } catch (error) {
      if (!isForksnapError(error) || error.code === 'ERR_STORE_FAILED') throw error
      const { sliceId, epoch, position, bytes, createdAt, path } = entry
      return { sliceId, epoch, position, rows: 0, bytes, createdAt, meta: { position }, location: path }
    }
  }

  /** The slice as it was written, without the column that the database needs; undefined if it is not here. */
  async open(sliceId: bigint): Promise<SliceSource | undefined> {
    const entry = (await this.entries()).find((one) => one.sliceId === sliceId)
    const source = entry && (await this.#open(entry))
    return source && withoutSliceId(source)
  }

  /** Undefined if it is gone, since it was loaded meanwhile. */
  async #open(entry: SliceEntry): Promise<FileSource | undefined> {
    try {
      return await FileSource.open(entry.path, entry, (path) => Promise.resolve(path))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw asStoreError(error, 'open the slice', entry.path)
    }
  }

  /** Removes a slice that waits; false if it is not here, perhaps because it has just been loaded. */
  async remove(sliceId: bigint): Promise<boolean> {
    if (this.#loading?.sliceId === sliceId) await this.#loading.done
    const entry = (await this.entries()).find((one) => one.sliceId === sliceId)
    if (entry === undefined) return false
    await this.#unlink(entry)
    return true
  }

  /**
   * A file that comes back is harmless while its slice is in the database. One that was removed there meanwhile would be
   * loaded again, and be there although somebody was told that it is gone: so this is durable before anybody is.
   */
  async #unlink(entry: SliceEntry): Promise<void> {
    await step('store.postgres.spool.unlink', () => removeFile(entry.path))
    await syncStep('store.postgres.spool.unlink.directory-sync', () => fsyncDirectory(this.directory))
  }

  /** Drops what the policy would not keep even if it were loaded, and what a reset has made void. */
  async prune(): Promise<bigint[]> {
    const entries = await this.entries()
    const newest = entries[0]?.sliceId ?? 0n
    const old = slicesToRemove(entries, this.#host.keep, newest, Date.now())
    const isVoid = (entry: SliceEntry): boolean => entry.epoch < this.#host.resetEpoch()
    const dropped = entries.filter(
      (entry) => entry.sliceId !== this.#loading?.sliceId && (old.includes(entry) || isVoid(entry)),
    )
    for (const entry of dropped) await this.#unlink(entry)
    return dropped.map((entry) => entry.sliceId)
  }

  /** Something waits: loads it in the background. */
  wake(): void {
    this.#again = true
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 0; this.#again && this.fenced === undefined;) {
      this.#again = false
      failures = (await this.#loadAll().catch((error: unknown) => this.#report(error))) ? 0 : failures + 1
      if (failures === 0 || signal.aborted) continue
      this.#again = true
      // Waiting must not keep a process alive that has nothing else to do: the files wait too.
      await setTimeout(backOffMs(failures, RETRY), undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) return
    }
  }

  /** Oldest first; false if anything is left. */
  async #loadAll(): Promise<boolean> {
    let complete = true
    for (const entry of (await this.entries()).toReversed()) {
      const done = this.#loadOne(entry)
      this.#loading = { sliceId: entry.sliceId, done }
      complete = (await done) && complete
      this.#loading = undefined
      if (this.fenced !== undefined) return false
    }
    try {
      await this.#host.pruneLoaded()
    } catch (error) {
      return this.#report(error)
    }
    return complete
  }

  /** Tells of a failure that is no slice's own; false, since something is left to do. */
  #report(error: unknown): false {
    if (isForksnapError(error, 'ERR_FENCED')) this.fenced = error
    this.#options.onError(error, 0n)
    return false
  }

  async #loadOne(entry: SliceEntry): Promise<boolean> {
    try {
      await step('store.postgres.spool.load', () => this.#host.load(entry))
      await this.#unlink(entry)
      return true
    } catch (error) {
      this.#options.onError(error, entry.sliceId)
      if (isForksnapError(error, 'ERR_FENCED')) this.fenced = error
      if (!isForksnapError(error, 'ERR_SLICE_CORRUPT')) return false
      await this.#setAside(entry)
      return true
    }
  }

  async #setAside(entry: SliceEntry): Promise<void> {
    const { dev, ino } = await lstat(entry.path)
    await keepAsBroken(this.directory, entry.path, { dev, ino })
  }

  /** Waits for the load that is under way; what is left waits for the next start. */
  close(): Promise<void> {
    return this.#sinks.close(async () => {
      this.#closing.abort()
      await this.#running
      const lock = this.#lock
      this.#lock = undefined
      await lock?.release()
    })
  }
}

/** Hides the first column of every table, which the writer of the slice never saw. */
function withoutSliceId(source: FileSource): SliceSource {
  const read = (handlers: SliceHandlers) =>
    source.read({
      ...handlers,
      ...(handlers.table && { table: (name, columns) => handlers.table?.(name, columns.slice(1)) }),
      ...(handlers.row && { row: (table, values) => handlers.row?.(table, values.slice(1)) }),
    })
  const { info, header, trailer } = source
  return { info, header, trailer, read, verify: () => source.verify(), close: () => source.close() }
}

import { syncStep } from '../failpoint'
import { truncateFd } from '../store/descriptor'
import { addEntry, type Batch, BatchPool, durableMark, entryBytes, sealBatch } from './file-batch'
import { failed } from './file-errors'
import { BATCH_BODY_BYTES_MAX, entrySeed, epochSeed } from './file-format'
import type { SegmentName } from './file-names'
import type { FileOperationLogOptions } from './file-options'
import { ActiveSegment, fdatasyncFd } from './file-segment'
import { encodeOperation } from './operation'
import type { Appended, NewOperation } from './oplog'
import { type Group, Pending } from './pending'

/** With `everysec`, how often what was written is synced. */
const SYNC_EVERY_MS = 1_000
/** Batches that go into one write: 16 MiB, unless entries are larger than a batch. */
const BATCHES_PER_WRITE_MAX = 64

export interface WriterOptions extends Required<FileOperationLogOptions> {
  /** Segments before the active one, oldest first. The writer adds those that it fills, its owner removes pruned ones. */
  readonly closed: SegmentName[]
  readonly active: ActiveSegment
  /** Id of the last entry in the log. */
  readonly lastId: bigint
  /** Throws if the directory is another's by now. */
  checkOwned(): Promise<void>
}

/**
 * Appends to the segments of one epoch. All that was appended while one write and sync ran goes out with the next: one
 * write and, with `always`, one fdatasync for all of it. The first failure ends it: a sync is never tried again, since
 * the system may have dropped what could not be written and would then report success.
 */
export class LogWriter {
  readonly #options: WriterOptions
  readonly #pending: Pending<Batch>
  readonly #pool = new BatchPool()
  #active: ActiveSegment
  /** End of the last batch in the active segment whose entries were acknowledged. */
  #acknowledgedOffset: number
  #writtenId: bigint
  #durableId: bigint
  /** What the CRC of the newest entry began with. */
  #seed: number
  #scheduled = false
  #flushing = false
  #syncing: Promise<void> | undefined
  #failure: Error | undefined
  #stopping: Promise<void> | undefined
  readonly #timer: NodeJS.Timeout | undefined

  constructor(options: WriterOptions) {
    const { active, lastId, maxPendingEntries, maxPendingBytes } = options
    this.#options = options
    this.#active = active
    this.#acknowledgedOffset = active.writtenOffset
    this.#writtenId = this.#durableId = lastId
    this.#seed = entrySeed(epochSeed(active.epoch), lastId)
    this.#pending = new Pending({
      lastId,
      bound: { entries: maxPendingEntries, bytes: maxPendingBytes },
      group: { entries: Number.MAX_SAFE_INTEGER, bytes: BATCH_BODY_BYTES_MAX },
      newBatch: () => this.#pool.take(),
    })
    if (options.fsync === 'everysec') this.#timer = setInterval(() => this.#syncNow(), SYNC_EVERY_MS).unref()
  }

  get lastId(): bigint {
    return this.#pending.lastId
  }

  get durableId(): bigint {
    return this.#durableId
  }

  /** Id up to which `durable` has resolved. */
  get acknowledgedId(): bigint {
    return this.#pending.durableId
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  get active(): ActiveSegment {
    return this.#active
  }

  append(operation: NewOperation): Appended {
    if (this.#failure !== undefined) throw this.#failure
    const encoded = encodeOperation(operation)
    const group = this.#pending.place(entryBytes(encoded))
    this.#seed = (this.#seed + 1) >>> 0
    try {
      addEntry(group.batch, encoded, this.#seed)
    } catch (error) {
      // The entry has its id, and a log has no hole.
      this.fail(failed(error, 'encode an entry for', this.#active.path))
      throw error
    }
    this.#schedule()
    return { id: group.lastId, time: encoded.time, durable: group.durable }
  }

  ready(): Promise<void> {
    return this.#failure === undefined ? this.#pending.ready() : Promise.reject(this.#failure)
  }

  /** Resolves once everything up to `position` is durable. */
  async sync(position: bigint): Promise<void> {
    if (position <= this.#durableId) return
    await this.#pending.until(position)
    await this.#syncTo(position)
  }

  /** Ends the log; the first failure stands. Whatever waits is rejected once nothing of it can come back. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    if (!this.#flushing) void this.#stop()
  }

  /**
   * Everything is synced by now, or the log has failed. The mark says so to the next start, which then tells damage from
   * a torn tail; it needs no sync itself, and if it cannot be written nothing is lost.
   */
  async finish(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#failure === undefined) {
      const { seed, durableOffset } = this.#active
      await this.#active.write([durableMark(this.lastId + 1n, durableOffset, seed)]).catch(() => undefined)
    }
    await this.#stopping
    await this.#active.close()
  }

  /** The turn of the loop is waited for, so that all who were woken by the last group can join the next. */
  #schedule(): void {
    if (this.#scheduled || this.#flushing) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    if (this.#failure !== undefined) return
    this.#flushing = true
    try {
      await this.#rotateIfFull()
      await this.#writeGroups()
    } catch (error) {
      this.fail(failed(error, 'write to', this.#active.path))
    }
    this.#flushing = false
    if (this.#failure !== undefined) await this.#stop()
    else if (this.#pending.entries > 0) this.#schedule()
  }

  async #writeGroups(): Promise<void> {
    const groups = this.#takeGroups()
    const last = groups.at(-1)
    if (last === undefined) return
    const { durableOffset, seed } = this.#active
    await this.#active.write(groups.map((group) => sealBatch(group, durableOffset, seed)))
    this.#writtenId = last.lastId
    if (this.#options.fsync === 'always') await this.#syncTo(last.lastId)
    if (this.#failure !== undefined) return
    this.#acknowledgedOffset = this.#active.writtenOffset
    this.#pending.settle(last)
    for (const { batch } of groups) this.#pool.giveBack(batch)
  }

  #takeGroups(): Group<Batch>[] {
    const groups: Group<Batch>[] = []
    while (groups.length < BATCHES_PER_WRITE_MAX) {
      const group = this.#pending.take()
      if (group === undefined) break
      groups.push(group)
    }
    return groups
  }

  /** The full segment is durable before there is another one, so that only the last one can have a torn tail. */
  async #rotateIfFull(): Promise<void> {
    const full = this.#active
    if (full.writtenOffset < this.#options.segmentBytes || this.#writtenId < full.firstId) return
    await this.#syncTo(this.#writtenId)
    await this.#options.checkOwned()
    const { directory, closed } = this.#options
    const ids = { epoch: full.epoch, firstId: this.#writtenId + 1n, previousFirstId: full.firstId }
    this.#active = await ActiveSegment.create(directory, ids)
    this.#acknowledgedOffset = this.#active.writtenOffset
    closed.push({ epoch: full.epoch, firstId: full.firstId, path: full.path })
    await full.close()
  }

  /** One sync runs at a time; what was written after it began needs another one. */
  async #syncTo(id: bigint): Promise<void> {
    while (this.#durableId < id) {
      if (this.#failure !== undefined) throw this.#failure
      this.#syncing ??= this.#syncWritten().finally(() => (this.#syncing = undefined))
      await this.#syncing
    }
  }

  async #syncWritten(): Promise<void> {
    const segment = this.#active
    const id = this.#writtenId
    const offset = segment.writtenOffset
    try {
      await syncStep('oplog.file.sync', () => fdatasyncFd(segment.fd))
    } catch (error) {
      this.fail(failed(error, 'sync', segment.path))
      throw this.#failure ?? error
    }
    segment.durableOffset = offset
    this.#durableId = id
  }

  #syncNow(): void {
    if (this.#failure !== undefined || this.#syncing !== undefined) return
    this.#syncTo(this.#writtenId).catch(() => undefined) // `failure` tells.
  }

  #stop(): Promise<void> {
    this.#stopping ??= this.#rejectWaiting()
    return this.#stopping
  }

  /** What was not acknowledged is cut off, where the file system still does that, and does not come back after a restart. */
  async #rejectWaiting(): Promise<void> {
    clearInterval(this.#timer)
    await truncateFd(this.#active.fd, this.#acknowledgedOffset).catch(() => undefined)
    if (this.#failure !== undefined) this.#pending.fail(this.#failure)
  }
}

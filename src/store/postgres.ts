import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ForksnapError, isForksnapError } from '../errors'
import { plainConnection } from '../postgres/connection'
import { createDurable } from '../postgres/durable-table'
import { type Owner, readEpochs } from '../postgres/epoch'
import { OwnerLock } from '../postgres/owner-lock'
import { Session } from '../postgres/session'
import { Exclusive } from './exclusive'
import { compareNewestFirst } from './file-names'
import type { CommitResult } from './file-sink'
import { OpenSinks } from './open-sinks'
import { findSlice, listSlices, notFound, removeSlices } from './postgres-catalogue'
import { locationOf, ownTables } from './postgres-layout'
import { GoodSlices } from './postgres-good'
import { raiseIds, SpoolIds } from './postgres-ids'
import { type PostgresStoreOptions, type ResolvedPostgresOptions, resolvePostgresOptions } from './postgres-options'
import { StoreOwner } from './postgres-owner'
import { wasCommitted } from './postgres-publish'
import { PostgresSink, type PostgresSinkHost } from './postgres-sink'
import { openPostgresSource } from './postgres-source'
import { Spool } from './postgres-spool'
import { slicesToRemove } from './retention'
import type { SliceEntry } from './slice-directory'
import type { SliceInfo, SliceSink, SliceSource, SliceStore } from './store'
import { WriterProcess } from './writer-process-client'
import type { BeginRequest } from './writer-process-protocol'

export type { PostgresStoreOptions } from './postgres-options'

/**
 * Slices in PostgreSQL: each table of a slice in a table there, all rows marked with `slice_id`, and a row in
 * `slice_history`. A slice is one transaction, which a writer process fills while the child writes and commits on this
 * process's word only. What a slice is beside its rows is in `forksnap_slice` and `forksnap_blob`.
 *
 * `start()` takes an advisory lock and begins an epoch, so the store's epoch rises with each start; `resetEpoch` is that
 * of the last `beginEpoch()`. `list()` and `open()` work without `start()`, beside a running owner too.
 *
 * Rows come back in the order in which they were written from tables that the store has created, and by the primary key
 * from others. Values are those that were written; a numeric comes back with the digits that its column there declares.
 *
 * With a spool, a slice is saved once its file is durable and the database, if it answers within a second, has not said
 * that somebody else has taken over (`ERR_FENCED`). A start needs the database all the same, since only there a lock keeps
 * a second owner out: while it is away `start()` rejects with `ERR_STORE_FAILED`, whatever slices wait in the spool, and
 * recovering does too. They stay there; start again when the database can be reached.
 *
 * Every method rejects with `ERR_STORE_FAILED`, the server's code being its `errno`, if the database refuses or cannot
 * be reached; those that change something reject with `ERR_FENCED` after a takeover.
 */
export class PostgresStore implements SliceStore {
  readonly kind = 'postgres'
  readonly #options: ResolvedPostgresOptions
  readonly #writer: WriterProcess
  readonly #changes = new Exclusive()
  readonly #sinks = new OpenSinks<PostgresSink>()
  readonly #spool: Spool | undefined
  readonly #good: GoodSlices
  readonly #spoolIds: SpoolIds
  readonly #lock: OwnerLock
  #control: StoreOwner | undefined
  /** What a store that only reads has seen. */
  #seen = { epoch: 1n, resetEpoch: 1n }

  /** Throws `ERR_INVALID_ARGUMENT` for options out of their ranges; connects to nothing. */
  constructor(options: PostgresStoreOptions) {
    this.#options = resolvePostgresOptions(options)
    this.#writer = new WriterProcess(this.#options.answerMs)
    const { owner, takeover, layout, spool, keep } = this.#options
    this.#good = new GoodSlices(layout, () => this.#open())
    this.#spoolIds = new SpoolIds(layout)
    const prepare = (session: Session): Promise<void> => createDurable(session, ownTables(layout))
    this.#lock = new OwnerLock({ ...owner, takeover }, () => this.#open(), prepare)
    if (spool === undefined) return
    this.#spool = new Spool(spool, {
      keep,
      epoch: () => this.epoch,
      resetEpoch: () => this.resetEpoch,
      checkEpoch: async () => this.#held().checkEpoch(this.#options.answerMs),
      load: (entry) => this.#load(entry),
      pruneLoaded: async () => void (await this.#pruneLoaded()),
    })
  }

  get epoch(): bigint {
    return this.#control?.owner.epoch ?? this.#seen.epoch
  }

  get resetEpoch(): bigint {
    return this.#control?.owner.resetEpoch ?? this.#seen.resetEpoch
  }

  /** Process id of the writer, for people; undefined while there is none. */
  get writerPid(): number | undefined {
    return this.#writer.pid
  }

  /** Connects, creates the tables that are missing and takes the lock. Rejects as `start` does. */
  acquire(): Promise<void> {
    return this.#changes.run(async () => {
      if (this.#control === undefined) await this.#lock.take()
    })
  }

  /**
   * Starts the writer process, connects, creates the tables that are missing, takes the lock and begins an epoch. Throws
   * `ERR_LOCKED` if another process owns the slices of this name and `takeover` is not set, `ERR_INVALID_ARGUMENT` for an
   * existing table that a crash of the server would empty.
   */
  start(): Promise<void> {
    return this.#changes.run(async () => {
      if (this.#control !== undefined) return
      try {
        await this.#writer.start()
        await this.#begin()
      } catch (error) {
        await this.#release()
        throw error
      }
      this.#spool?.wake()
    })
  }

  async #begin(): Promise<void> {
    const { layout } = this.#options
    // The directory's lock may be refused too, and the epoch is the last to be begun.
    const spooled = await this.#spool?.start()
    // The database may be another one, or an older state of it: what waits must not count as newer than all to come.
    this.#control = new StoreOwner(await this.#lock.begin(spooled?.epoch))
    const session = await this.#connected()
    await raiseIds(session, layout, spooled?.sliceId ?? 0n)
    if (this.#spool !== undefined) await this.#spoolIds.reserve(session)
  }

  create(): Promise<SliceSink> {
    const spool = this.#spool
    if (spool !== undefined) return spool.create(() => this.#changes.run(() => this.#spoolId()))
    const make = async (): Promise<PostgresSink> => {
      this.#assertOwned()
      await this.#connected()
      return PostgresSink.create(this.#sinkHost(), await this.#beginRequest(this.epoch))
    }
    return this.#sinks.create(() => this.#changes.run(make))
  }

  async #beginRequest(epoch: bigint): Promise<BeginRequest> {
    const { layout, owner, connection, answerMs } = this.#options
    const publication = { epoch, ownerEpoch: this.epoch, owner }
    const folder = join(tmpdir(), `forksnap-writer-${randomUUID()}`)
    return { connection: await plainConnection(connection), answerMs, layout, publication, folder }
  }

  #sinkHost(): PostgresSinkHost {
    const { layout } = this.#options
    const epoch = this.epoch
    return {
      writer: this.#writer,
      currentEpoch: () => this.epoch,
      lookUp: ({ sliceId, backend }) => wasCommitted(() => this.#open(), layout, sliceId, backend),
      describe: (sliceId, { meta, trailer }: CommitResult, createdAt) => {
        this.#good.add(sliceId)
        const { rows, bytes } = trailer
        const location = locationOf(layout, sliceId)
        return { sliceId, epoch, position: meta.position ?? 0n, rows, bytes, createdAt, meta, location }
      },
      settled: (sink) => this.#sinks.settled(sink),
    }
  }

  /** With a spool, what waits there counts as published, also for a store that only reads and names the same directory. */
  async list(): Promise<SliceInfo[]> {
    const { layout } = this.#options
    // The spool first: a slice that is loaded in between is then seen twice, and not missed.
    const waiting = (await this.#spool?.list()) ?? []
    const loaded = await this.#reading(async (session) => {
      if (this.#control === undefined) this.#seen = await readEpochs(session, this.#options.owner)
      return listSlices(session, layout)
    })
    const ids = new Set(loaded.map((info) => info.sliceId))
    return [...loaded, ...waiting.filter((info) => !ids.has(info.sliceId))].sort(compareNewestFirst)
  }

  /** Throws `ERR_SLICE_CORRUPT` only when it is read: if rows are missing, or there are too many. */
  async open(sliceId: bigint): Promise<SliceSource> {
    const waiting = await this.#spool?.open(sliceId)
    return waiting ?? openPostgresSource(() => this.#open(), this.#options.layout, sliceId)
  }

  remove(sliceId: bigint): Promise<void> {
    return this.#changes.run(async () => {
      this.#assertOwned()
      if (await this.#spool?.remove(sliceId)) return
      const { layout } = this.#options
      const session = await this.#connected()
      const known = (await listSlices(session, layout)).some((info) => info.sliceId === sliceId)
      if (!known) throw notFound(layout, sliceId)
      await removeSlices(session, layout, this.#assertOwned(), [sliceId])
    })
  }

  /**
   * Unfinished slices of the old epoch can no longer be committed: `ERR_EPOCH_CHANGED`. A COMMIT whose answer was lost is
   * looked up: if this rejects, the old epoch goes on, unless the error says that this is not known.
   */
  beginEpoch(): Promise<bigint> {
    return this.#changes.run(() => this.#held().reset())
  }

  /**
   * Removes what `keep` no longer covers, in one transaction. The newest good slice stays whatever the limits say; slices
   * that this process has neither written nor read are read in full here to know it.
   */
  async prune(): Promise<bigint[]> {
    this.#assertOwned()
    // What waits must not make a caller wait for a slow database: loading is followed by pruning there.
    if (this.#spool !== undefined) return this.#spool.prune()
    return this.#pruneLoaded()
  }

  async #pruneLoaded(): Promise<bigint[]> {
    const { layout, keep } = this.#options
    const newestGoodId = await this.#good.newest(await this.#connected())
    return this.#changes.run(async () => {
      this.#assertOwned()
      const session = await this.#connected()
      const slices = await listSlices(session, layout)
      if (!slices.some((slice) => slice.sliceId === newestGoodId)) return []
      const removed = slicesToRemove(slices, keep, newestGoodId as bigint, Date.now()).map((slice) => slice.sliceId)
      await removeSlices(session, layout, this.#assertOwned(), removed)
      return removed
    })
  }

  /** Waits for running commits, cancels unfinished slices, ends the writer process, releases the lock. */
  async close(): Promise<void> {
    await this.#sinks.close(async () => {
      await this.#spool?.close()
      await this.#changes.run(() => this.#release())
    })
  }

  async #release(): Promise<void> {
    const control = this.#control
    this.#control = undefined
    this.#good.clear()
    await this.#spool?.close()
    await control?.close()
    await this.#lock.release()
    await this.#writer.close()
  }

  /** Brings a spooled slice into the database, unless it is there already. */
  async #load(entry: SliceEntry): Promise<void> {
    const { layout } = this.#options
    const { sliceId, path } = entry
    const session = await this.#connected()
    const listed = await findSlice(session, layout, sliceId).catch((error: unknown) => {
      if (!isForksnapError(error, 'ERR_SLICE_NOT_FOUND')) throw error
    })
    if (listed !== undefined) return
    await this.#writer.ask('begin', { ...(await this.#beginRequest(entry.epoch)), spooled: { sliceId, path } })
    const { pid } = this.#writer
    try {
      const { position, trailer } = await this.#writer.ask('loaded', sliceId, pid)
      await this.#writer.ask('commit', { sliceId, position, trailer }, pid)
      this.#good.add(sliceId)
    } catch (error) {
      await this.#writer.ask('cancel', sliceId, pid).catch(() => undefined) // The next attempt tells.
      throw error
    }
  }

  async #spoolId(): Promise<bigint> {
    this.#assertOwned()
    return this.#spoolIds.take(() => this.#connected())
  }

  async #open(): Promise<Session> {
    const { connection, answerMs } = this.#options
    return Session.open(await plainConnection(connection), 'forksnap store', answerMs)
  }

  async #reading<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#control !== undefined) return work(await this.#connected())
    const session = await this.#open()
    return work(session).finally(() => session.close())
  }

  /** The connection that holds the lock. If it was lost, another one takes the lock again, unless somebody else has. */
  async #connected(): Promise<Session> {
    return this.#held().session()
  }

  #assertOwned(): Owner {
    return this.#held().owner
  }

  #held(): StoreOwner {
    if (this.#control !== undefined) return this.#control
    throw new ForksnapError('ERR_INVALID_STATE', 'The PostgresStore is not started; call start() first')
  }
}

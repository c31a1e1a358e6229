import { invalidArgument } from '../checks'
import { ForksnapError, isForksnapError } from '../errors'
import { step } from '../failpoint'
import { plainConnection } from '../postgres/connection'
import { joinOwner, type OwnerOptions } from '../postgres/epoch'
import { OwnerLock } from '../postgres/owner-lock'
import { Session } from '../postgres/session'
import { INT8_MAX } from '../store/file-names'
import { Exclusive } from '../store/exclusive'
import { encodeOperation } from './operation'
import type { Appended, LogEntry, LogStart, NewOperation, OperationLog } from './oplog'
import { Pending, type Group } from './pending'
import { addOperation, newColumns, type Columns } from './postgres-batch'
import { Link } from './postgres-link'
import { checkLogOptions, type CheckedLogOptions, type PostgresOperationLogOptions } from './postgres-options'
import { findEnds, readPages } from './postgres-reader'
import { checkShape, createTables } from './postgres-shape'
import {
  checkContiguous,
  checkLast,
  checkOwner,
  deleteRange,
  emptyTable,
  insertGroup,
  isInTable,
  type LogTable,
  readEnds,
} from './postgres-table'

/** Entries that one transaction removes, so that none is long. */
const PRUNE_ENTRIES = 10_000

/** What there is between `start()` and `close()`. */
interface Running {
  readonly link: Link
  readonly log: LogTable
  pending: Pending<Columns>
}

/**
 * An operation log in a table of PostgreSQL. All that arrives while one transaction runs is committed by the next one, in
 * the order of the ids, and `durable` resolves with the COMMIT; the server's `synchronous_commit` is on for it, whatever
 * its default. A server with `fsync = off` loses what it confirmed when its machine fails.
 *
 * A lost connection is replaced, and the table is asked what it holds before anything is sent again, so that no entry is
 * lost or doubled. After `retry.totalMs` without success the log fails; entries that waited then may or may not be in
 * the table, as the next `start()` will tell.
 *
 * Params have at most 64 MiB of JSON, times milliseconds from the year 1 to 9999. The connection keeps the process alive
 * until `close()`.
 */
export class PostgresOperationLog implements OperationLog {
  readonly kind = 'postgres'
  readonly #options: CheckedLogOptions
  readonly #owner: OwnerOptions
  readonly #lock: OwnerLock
  /** Pruning and resetting, one after the other. */
  readonly #changes = new Exclusive()
  #starting: Promise<LogStart> | undefined
  #running: Running | undefined
  #closing: Promise<void> | undefined
  #resetting = false
  #writing = false

  /** Throws `ERR_INVALID_ARGUMENT` for an option of the wrong type or out of its range. */
  constructor(options: PostgresOperationLogOptions) {
    this.#options = checkLogOptions(options)
    const { table, takeover } = this.#options
    this.#owner = { schema: table.schema, name: `log:${table.name}`, takeover }
    this.#lock = new OwnerLock(this.#owner, () => this.#connect())
  }

  get lastId(): bigint {
    return this.#running?.pending.lastId ?? 0n
  }

  get durableId(): bigint {
    return this.#running?.pending.durableId ?? 0n
  }

  get failure(): Error | undefined {
    return this.#running?.pending.failure
  }

  /** Connects and takes the lock, and creates the table of the epochs if it is missing. */
  async acquire(): Promise<void> {
    if (this.#closing !== undefined) throw closedError()
    if (this.#starting === undefined) await this.#lock.take()
  }

  /**
   * Connects, takes the lock, begins an epoch, creates what is missing and counts the entries: that reads an index of
   * the whole table. May be called again after it failed. Rejects with `ERR_LOCKED`, `ERR_LOG_GAP`, `ERR_LOG_CORRUPT`,
   * `ERR_STORE_FAILED`, or `ERR_INVALID_ARGUMENT` for an existing table that cannot keep a log.
   */
  async start(): Promise<LogStart> {
    if (this.#closing !== undefined) throw closedError()
    this.#starting ??= this.#start()
    try {
      return await this.#starting
    } catch (error) {
      this.#starting = undefined
      throw error
    }
  }

  async #start(): Promise<LogStart> {
    const { table, bound, group, retry } = this.#options
    const link = new Link(await this.#lock.begin(), retry)
    try {
      await createTables(link.session, table)
      await checkShape(link.session, table)
      const log = { table, owner: link.owner, ownerOptions: this.#owner }
      const ends = await readEnds(link.session, table, log.ownerOptions.name)
      await checkContiguous(link.session, table, ends)
      const pending = new Pending({ lastId: ends.last, bound, group, newBatch: newColumns })
      this.#running = { link, log, pending }
      link.onLost = () => this.#mend()
      return ends.first === null ? { firstId: 0n, lastId: 0n } : { firstId: ends.first, lastId: ends.last }
    } catch (error) {
      await link.close()
      throw error
    }
  }

  append(operation: NewOperation): Appended {
    const { pending } = this.#open()
    const encoded = encodeOperation(operation)
    const group = pending.place(encoded.bytes)
    addOperation(group.batch, encoded)
    if (!this.#writing) this.#write()
    return { id: group.lastId, time: encoded.time, durable: group.durable }
  }

  async ready(): Promise<void> {
    return this.#open().pending.ready()
  }

  async sync(position?: bigint): Promise<void> {
    const { pending } = this.#started()
    await pending.until(position === undefined ? pending.lastId : checkPosition(position))
  }

  /**
   * Reads over a connection of its own, up to what is durable now, and needs neither `start()` nor the lock. A connection
   * that is lost ends it with `ERR_STORE_FAILED`.
   */
  async *read(position: bigint): AsyncGenerator<readonly LogEntry[], void, undefined> {
    checkPosition(position)
    const { table } = this.#options
    const session = await this.#connect()
    try {
      const end = this.#running?.pending.durableId ?? (await findEnds(session, table, this.#owner.name)).last
      yield* readPages(session, table, position, end)
    } finally {
      await session.close()
    }
  }

  /** The newest entry always stays: in an empty table nobody would know which id comes next. */
  async prune(position: bigint): Promise<void> {
    checkPosition(position)
    return this.#changes.run(() => this.#prune(position))
  }

  /**
   * Waits for what was appended, then empties the table (TRUNCATE, which waits for whoever reads it). Until it is done
   * `append` throws `ERR_INVALID_STATE`.
   */
  async reset(position = 0n): Promise<void> {
    checkPosition(position)
    this.#open()
    this.#resetting = true
    return this.#changes.run(() => this.#reset(position)).finally(() => (this.#resetting = false))
  }

  /** Rejects, with the lock released, if what was appended could not be made durable. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#starting?.catch(() => undefined)
    const running = this.#running
    if (running === undefined) return this.#lock.release()
    const failedBefore = running.pending.failure !== undefined
    try {
      if (!failedBefore) await running.pending.until(running.pending.lastId)
    } finally {
      await this.#changes.run(() => running.link.close())
    }
  }

  /** In a turn of its own, so that all that this turn of the event loop appends goes into the first batch. */
  #write(): void {
    const running = this.#started()
    this.#writing = true
    setImmediate(() => void this.#writeAll(running))
  }

  async #writeAll(running: Running): Promise<void> {
    const { link, log, pending } = running
    try {
      for (let group = pending.take(); group !== undefined; group = pending.take()) {
        await commitGroup(link, log, group)
        pending.settle(group)
      }
      // In the tick that found nothing more: whatever is appended after it begins anew.
      this.#writing = false
    } catch (error) {
      await this.#fail(running, error)
    }
  }

  /** The lock is given back, since nothing can be done with it any more; reading goes on. */
  async #fail({ link, pending }: Running, error: unknown): Promise<void> {
    pending.fail(asLogFailure(error))
    await link.close()
  }

  /**
   * A connection that was lost is replaced even if nothing is to be written: it held the lock. A server that stays away
   * is no failure as long as nobody has anything to append; one that comes back without what it had confirmed is.
   */
  #mend(): void {
    const running = this.#running
    if (running === undefined || this.#closing !== undefined || running.pending.failure !== undefined) return
    const { link, log, pending } = running
    const look = async (session: Session): Promise<boolean> => {
      // While a batch or a reset is under way, its own work knows better what the table should hold.
      if (this.#writing || this.#resetting) return false
      await checkLast(session, log, pending.durableId)
      return true
    }
    link
      .restore(look, () => this.#writing || this.#closing !== undefined)
      .catch((error: unknown) => {
        if (isForksnapError(error, 'ERR_FENCED') || isForksnapError(error, 'ERR_LOG_GAP'))
          void this.#fail(running, error)
      })
  }

  async #prune(position: bigint): Promise<void> {
    const { log, pending } = this.#started()
    if (pending.failure !== undefined) throw pending.failure
    const session = await this.#connect()
    try {
      await joinOwner(session, log.ownerOptions)
      await checkOwner(session, log)
      const { first, last } = await readEnds(session, log.table, log.ownerOptions.name)
      const newest = last < pending.durableId ? last : pending.durableId
      const end = position < newest ? position : newest - 1n
      for (let from = first ?? newest; from <= end; from += BigInt(PRUNE_ENTRIES)) {
        const upTo = from + BigInt(PRUNE_ENTRIES) - 1n
        await step('oplog.postgres.prune', () => deleteRange(session, log, from, upTo < end ? upTo : end))
      }
    } finally {
      await session.close()
    }
  }

  async #reset(position: bigint): Promise<void> {
    const running = this.#started()
    const { link, log, pending } = running
    // With its failure a log has given its lock back.
    if (pending.failure !== undefined) throw pending.failure
    await pending.until(pending.lastId)
    await step('oplog.postgres.reset', () => link.run((session) => emptyTable(session, log, position)))
    const { bound, group } = this.#options
    running.pending = new Pending({ lastId: position, bound, group, newBatch: newColumns })
  }

  async #connect(): Promise<Session> {
    const { connection, answerMs } = this.#options
    return Session.open(await plainConnection(connection), 'forksnap log', answerMs)
  }

  #started(): Running {
    if (this.#running !== undefined) return this.#running
    throw new ForksnapError('ERR_INVALID_STATE', 'The log is not started; call start() and wait for it first')
  }

  #open(): Running {
    if (this.#closing !== undefined) throw closedError()
    if (this.#resetting) throw new ForksnapError('ERR_INVALID_STATE', 'The log is being reset; wait for reset() first')
    return this.#started()
  }
}

async function commitGroup(link: Link, log: LogTable, group: Group<Columns>): Promise<void> {
  await link.run(async (session, unsure) => {
    if (unsure && (await isInTable(session, log, group))) return
    await step('oplog.postgres.append', () => insertGroup(session, log, group))
  })
}

/** Being fenced stays what it is: it tells that another process goes on with the log. */
function asLogFailure(error: unknown): ForksnapError {
  if (isForksnapError(error, 'ERR_FENCED') || isForksnapError(error, 'ERR_LOG_FAILED')) return error
  const reason = error instanceof Error ? error.message : String(error)
  const message = `The log could not make its entries durable and has stopped; open a new one. ${reason}`
  return new ForksnapError('ERR_LOG_FAILED', message, { cause: error })
}

function checkPosition(position: unknown): bigint {
  if (typeof position === 'bigint' && position >= 0n && position <= INT8_MAX) return position
  throw invalidArgument('position', 'a bigint from 0', position)
}

function closedError(): ForksnapError {
  return new ForksnapError('ERR_INVALID_STATE', 'The log is closed; open a new one')
}

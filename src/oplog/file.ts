import { invalidArgument } from '../checks'
import { ForksnapError } from '../errors'
import { step, syncStep } from '../failpoint'
import { Exclusive } from '../store/exclusive'
import { INT8_MAX } from '../store/file-names'
import { DirectoryLock } from '../store/lock'
import { asStoreError, checkDirectory, fsyncDirectory, makeDirectory, removeFile } from '../store/safe-open'
import { gap, invalidState } from './file-errors'
import type { SegmentName } from './file-names'
import { type FileOperationLogOptions, resolveFileLogOptions } from './file-options'
import { readEntries } from './file-read'
import { ActiveSegment } from './file-segment'
import { startLog } from './file-start'
import { LogWriter } from './file-writer'
import type { Appended, LogEntry, LogStart, NewOperation, OperationLog } from './oplog'

export type { FileOperationLogOptions, FsyncPolicy } from './file-options'

/**
 * An operation log in files: segments in one directory, whose format is explained in file-format.ts and whose names are in
 * file-names.ts.
 *
 * Whoever appends calls `start()` first and holds the directory's lock until `close()`. `read()` works without it and
 * without the native addon, beside a running owner too; it then gives what is whole in the files.
 *
 * A write or sync that fails ends the log: everything that waits, and every later call of `append`, `ready` and `sync`,
 * gets `ERR_LOG_FAILED`, the system's error being its cause. What had been acknowledged stays readable. The other methods
 * reject with `ERR_STORE_FAILED` if the file system refuses, with `ERR_INVALID_STATE` before `start()` and after
 * `close()`, and with `ERR_FENCED` if the lock file was removed or replaced.
 */
export class FileOperationLog implements OperationLog {
  readonly kind = 'file'
  /** Where the segments are, as an absolute path. */
  readonly directory: string
  readonly #options: Required<FileOperationLogOptions>
  readonly #changes = new Exclusive()
  #lock: DirectoryLock | undefined
  #writer: LogWriter | undefined
  #closed: SegmentName[] = []
  #start: LogStart | undefined
  #closing: Promise<void> | undefined
  #resetting = false

  /** Throws `ERR_INVALID_ARGUMENT` for options out of their ranges; touches no file. */
  constructor(options: FileOperationLogOptions) {
    this.#options = resolveFileLogOptions(options)
    this.directory = this.#options.directory
  }

  get lastId(): bigint {
    return this.#writer?.lastId ?? 0n
  }

  get durableId(): bigint {
    return this.#writer?.durableId ?? 0n
  }

  get failure(): Error | undefined {
    return this.#writer?.failure
  }

  /**
   * Creates the directory (0700) if need be. Everything that it finds is durable when it resolves. Throws `ERR_UNSAFE_PATH`
   * if the directory is a symbolic link, another user's, or writable for group or others, `ERR_UNSUPPORTED_PLATFORM`
   * without the native addon.
   */
  start(): Promise<LogStart> {
    return this.#change('start the log in', async () => {
      if (this.#closing !== undefined) throw this.#notOpen()
      if (this.#start !== undefined) return this.#start
      await makeDirectory(this.directory)
      await checkDirectory(this.directory)
      this.#lock = await DirectoryLock.acquire(this.directory)
      try {
        const { closed, active, start, lastId } = await startLog(this.directory)
        this.#begin(closed, active, lastId)
        this.#start = start
        return start
      } catch (error) {
        await this.#lock.release()
        throw error
      }
    })
  }

  /** `durable` resolves by the policy, see `FsyncPolicy`. Throws `ERR_INVALID_VALUE` for params that JSON does not hold. */
  append(operation: NewOperation): Appended {
    if (this.#resetting || this.#closing !== undefined) throw this.#notOpen()
    return this.#opened().append(operation)
  }

  async ready(): Promise<void> {
    await this.#opened().ready()
  }

  async sync(position = this.lastId): Promise<void> {
    await this.#opened().sync(position)
  }

  /**
   * The owner reads what has been acknowledged; others read all that is whole. A position after the last entry is
   * `ERR_LOG_GAP`, and so is one before the first that is kept.
   */
  async *read(position: bigint): AsyncGenerator<readonly LogEntry[], void> {
    checkPosition(position)
    const writer = this.#closing === undefined ? this.#writer : undefined
    if (writer !== undefined && position > writer.lastId) {
      throw gap(this.directory, `The log ends with entry ${writer.lastId}, before position ${position}`)
    }
    try {
      const limit = writer && (() => writer.acknowledgedId)
      yield* readEntries({ directory: this.directory, position, ...(limit === undefined ? {} : { limit }) })
    } catch (error) {
      throw asStoreError(error, 'read the log in', this.directory)
    }
  }

  /** Oldest first, each durably before the next, so that a crash halfway leaves no gap. The active segment stays. */
  prune(position: bigint): Promise<void> {
    return this.#change('prune the log in', async () => {
      checkPosition(position)
      const writer = this.#opened()
      await this.#checkOwned()
      for (;;) {
        const [oldest, following = writer.active] = this.#closed
        if (oldest === undefined || following.firstId > position + 1n) return
        await step('oplog.file.prune.unlink', () => removeFile(oldest.path))
        this.#closed.shift()
        await syncStep('oplog.file.prune.directory-sync', () => fsyncDirectory(this.directory))
      }
    })
  }

  /**
   * Entries that were appended before are made durable first; while it runs, `append` throws `ERR_INVALID_STATE`. If it
   * fails, the log has failed, since nobody knows what the next start will find.
   */
  reset(position = 0n): Promise<void> {
    return this.#change('reset the log in', async () => {
      checkPosition(position)
      const writer = this.#opened()
      this.#resetting = true
      try {
        await this.#checkOwned()
        await writer.sync(writer.lastId)
        await this.#beginEpoch(writer, position)
      } finally {
        this.#resetting = false
      }
    })
  }

  /** Rejects with `failure`, once the lock is released, if something that was appended could not be made durable. */
  close(): Promise<void> {
    this.#closing ??= this.#change('close the log in', async () => {
      const writer = this.#writer
      try {
        await writer?.sync(writer.lastId)
      } finally {
        await writer?.finish()
        await this.#lock?.release()
        this.#lock = undefined
      }
    })
    return this.#closing
  }

  #begin(closed: SegmentName[], active: ActiveSegment, lastId: bigint): void {
    this.#closed = closed
    const checkOwned = (): Promise<void> => this.#checkOwned()
    this.#writer = new LogWriter({ ...this.#options, closed, active, lastId, checkOwned })
  }

  /**
   * The first segment of the new epoch ends the old one in the instant in which its name is durable. Removing the old
   * segments only makes room: those that a crash brings back do not count, and the next start removes them.
   */
  async #beginEpoch(writer: LogWriter, position: bigint): Promise<void> {
    const { epoch, firstId, path } = writer.active
    const old = [...this.#closed, { epoch, firstId, path }]
    let active: ActiveSegment
    try {
      const ids = { epoch: epoch + 1n, firstId: position + 1n, previousFirstId: 0n }
      active = await ActiveSegment.create(this.directory, ids)
    } catch (error) {
      const failure = asStoreError(error, 'reset the log in', this.directory)
      writer.fail(failure)
      throw failure
    }
    await writer.finish()
    this.#begin([], active, position)
    for (const segment of old) await step('oplog.file.reset.unlink', () => removeFile(segment.path))
  }

  #opened(): LogWriter {
    if (this.#writer === undefined) throw this.#notOpen()
    return this.#writer
  }

  #notOpen(): ForksnapError {
    const what = `The log in ${this.directory}`
    if (this.#resetting) return invalidState(`${what} is being reset; append once reset() has resolved`)
    if (this.#closing !== undefined) return invalidState(`${what} is closed; create a new FileOperationLog`)
    return invalidState(`${what} is not started; call start() first`)
  }

  async #checkOwned(): Promise<void> {
    if (await this.#lock?.isOurs()) return
    if (this.#lock === undefined) throw this.#notOpen()
    const message = `The lock file of ${this.directory} was removed or replaced, so another process may own it; restart`
    throw new ForksnapError('ERR_FENCED', message, { path: this.directory })
  }

  async #change<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#changes.run(work)
    } catch (error) {
      throw asStoreError(error, doing, this.directory)
    }
  }
}

function checkPosition(position: unknown): void {
  if (typeof position === 'bigint' && position >= 0n && position < INT8_MAX) return
  throw invalidArgument('position', 'a bigint from 0n to 2n ** 63n - 2n', position)
}

import { constants } from 'node:fs'
import { rm } from 'node:fs/promises'
import { ForksnapError, isForksnapError } from '../errors'
import { failpoint } from '../failpoint'
import { closeFd, openFd } from './descriptor'
import type { CommitResult } from './file-sink'
import { SLICE_ID } from './postgres-layout'
import { checkPosition, usedBefore } from './sink-checks'
import type { SliceInfo, SliceSink, SliceWriting } from './store'
import { isGone, type WriterProcess } from './writer-process-client'
import { type BeginRequest, type Begun, fromWire } from './writer-process-protocol'

/** What a sink needs of its store. */
export interface PostgresSinkHost {
  readonly writer: WriterProcess
  /** The store's present epoch. A newer owner's is not among those. */
  currentEpoch(): bigint
  /** Looks a slice up whose COMMIT nobody has answered; undefined if it was rolled back. */
  lookUp(begun: Begun): Promise<Date | undefined>
  describe(sliceId: bigint, result: CommitResult, createdAt: Date): SliceInfo
  settled(sink: PostgresSink): void
}

/** How the child writes: the database compresses by itself, and a pipe needs no sync. */
export function rowsWriting(sliceId: bigint): Pick<SliceWriting, 'constantColumn'> {
  return { constantColumn: { name: SLICE_ID, type: 'int8', value: sliceId } }
}

/** One slice on its way through the writer process into the database. */
export class PostgresSink implements SliceSink {
  readonly fd: number
  readonly sliceId: bigint
  readonly writing: SliceWriting
  readonly #host: PostgresSinkHost
  readonly #begun: Begun
  readonly #epoch: bigint
  readonly #writerPid: number | undefined
  #closing: Promise<void> | undefined
  #committing: Promise<SliceInfo> | undefined
  #cancelling: Promise<void> | undefined

  private constructor(host: PostgresSinkHost, epoch: bigint, begun: Begun, writerPid: number | undefined, fd: number) {
    this.#host = host
    this.#begun = begun
    this.#epoch = epoch
    this.#writerPid = writerPid
    this.fd = fd
    this.sliceId = begun.sliceId
    this.writing = { codec: 'none', syncEveryBytes: 0, ...rowsWriting(begun.sliceId) }
  }

  static async create(host: PostgresSinkHost, request: BeginRequest): Promise<PostgresSink> {
    const { writer } = host
    // What a writer that dies meanwhile has left. A process of its own may still be about to make the FIFO.
    const tidy = () => rm(request.folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined)
    const begun = await writer.ask('begin', request).catch(async (error: unknown) => {
      await tidy()
      throw error
    })
    const { pid } = writer
    let fd: number | undefined
    try {
      fd = await openWritingEnd(begun.fifo)
      await writer.ask('opened', begun.sliceId, pid)
      return new PostgresSink(host, request.publication.ownerEpoch, begun, pid, fd)
    } catch (error) {
      if (fd !== undefined) await closeFd(fd)
      await writer.ask('cancel', begun.sliceId, pid).catch(() => undefined) // The first error is the one to tell.
      await tidy()
      throw error
    }
  }

  forked(): void {
    void this.#close()
  }

  async explain(error: unknown): Promise<unknown> {
    try {
      const failure = await this.#host.writer.ask('failure', this.sliceId, this.#writerPid)
      return failure === undefined ? error : fromWire(failure)
    } catch (askError) {
      return isGone(askError) ? askError : error
    }
  }

  commit(result: CommitResult): Promise<SliceInfo> {
    if (this.#committing !== undefined || this.#cancelling !== undefined) {
      return Promise.reject(usedBefore(this.sliceId))
    }
    this.#committing = this.#commit(result)
    return this.#committing
  }

  async #commit(result: CommitResult): Promise<SliceInfo> {
    try {
      await this.#close()
      const createdAt = await this.#publish(result)
      failpoint('store.postgres.published.after')
      return this.#host.describe(this.sliceId, result, createdAt)
    } finally {
      this.#host.settled(this)
    }
  }

  async #publish({ meta, trailer }: CommitResult): Promise<Date> {
    const { writer } = this.#host
    const request = { sliceId: this.sliceId, position: checkPosition(meta), trailer }
    try {
      failpoint('store.postgres.published.before')
      return await writer.ask('commit', request, this.#writerPid)
    } catch (error) {
      const createdAt = isGone(error) ? await this.#host.lookUp(this.#begun) : undefined
      if (createdAt === undefined) throw this.#told(error)
      return createdAt
    }
  }

  /** The database only knows that the epoch is another one; if this process began it, no newer owner is the reason. */
  #told(error: unknown): unknown {
    const epoch = this.#host.currentEpoch()
    if (!isForksnapError(error, 'ERR_FENCED') || epoch === this.#epoch) return error
    const epochs = `it was begun in epoch ${this.#epoch}, now it is epoch ${epoch}`
    const message = `Slice ${this.sliceId} was not published: ${epochs}; save again`
    return new ForksnapError('ERR_EPOCH_CHANGED', message, { cause: error })
  }

  cancel(): Promise<void> {
    this.#cancelling ??= this.#cancel()
    return this.#cancelling
  }

  async #cancel(): Promise<void> {
    if (this.#committing !== undefined) {
      await this.#committing.catch(() => undefined) // Its caller has the error.
      await this.#host.writer.ask('cancel', this.sliceId, this.#writerPid).catch(() => undefined)
      return
    }
    try {
      await this.#close()
      await this.#host.writer.ask('cancel', this.sliceId, this.#writerPid)
    } catch (error) {
      // With the writer its connection has ended, and the server rolls back.
      if (!isGone(error)) throw error
    } finally {
      this.#host.settled(this)
    }
  }

  /** The parent's copy of the writing end: while it is open the writer would wait for more. */
  #close(): Promise<void> {
    this.#closing ??= closeFd(this.fd).catch(() => undefined)
    return this.#closing
  }
}

/**
 * Opens a FIFO for writing, in blocking mode and without waiting: whoever opens it for both never waits, and is then the
 * reader for which the second opening need not wait, even if the writer process has just died.
 */
async function openWritingEnd(path: string): Promise<number> {
  const holder = await openFd(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  try {
    return await openFd(path, constants.O_WRONLY | constants.O_NOFOLLOW)
  } finally {
    await closeFd(holder)
  }
}

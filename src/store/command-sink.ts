import { closeSync } from 'node:fs'
import { ForksnapError, isForksnapError, errnoOf } from '../errors'
import { FORMAT_VERSION } from '../slice/format'
import type { SliceMeta, SliceTrailer } from '../slice/types'
import type { CommandIndex } from './command-index'
import { CommandProcess, type Command, type Placeholders } from './command-process'
import type { Pipes } from './command-pipe'
import { closeFd } from './descriptor'
import { asStoreError } from './safe-open'
import { checkPosition, usedBefore } from './sink-checks'
import type { SliceInfo, SliceSink, SliceWriting } from './store'

/** What a sink needs of its store. */
export interface CommandSinkHost {
  readonly index: CommandIndex
  readonly pipes: Pipes
  readonly command: Command
  readonly limitMs: number
  currentEpoch(): bigint
  exclusive<T>(work: () => Promise<T>): Promise<T>
  /** Throws unless the index is still this store's. */
  checkOwned(): Promise<void>
  /** Removes what the command may have stored of a slice that is not published. */
  withdraw(slice: Placeholders): Promise<void>
  settled(sink: CommandSink): void
}

/** A command that has closed its input ends soon, and its exit code says why it did. */
const EXPLANATION_WAIT_MS = 2_000

/**
 * One slice on its way into a command. The command runs before the fork; the child writes into its standard input, and
 * the end of the child is the end of that input, since the parent closes its own copy at once. Commit order: the
 * command's end with exit code 0, then the entry in the index, durably.
 */
export class CommandSink implements SliceSink {
  #pipeOpen = true
  #committing: Promise<SliceInfo> | null = null
  #cancelling: Promise<void> | null = null

  private constructor(
    private readonly host: CommandSinkHost,
    private readonly slice: Placeholders,
    private readonly running: CommandProcess,
    readonly fd: number,
    readonly writing: SliceWriting,
  ) {}

  get sliceId(): bigint {
    return this.slice.sliceId
  }

  static async create(host: CommandSinkHost, slice: Placeholders, writing: SliceWriting): Promise<CommandSink> {
    const { readFd, writeFd } = await host.pipes.open()
    try {
      const running = await CommandProcess.start(host.command, slice, [readFd, 'ignore'])
      return new CommandSink(host, slice, running, writeFd, writing)
    } catch (error) {
      await closeFd(writeFd)
      throw error
    } finally {
      await closeFd(readFd)
    }
  }

  forked(): void {
    if (!this.#pipeOpen) return
    this.#pipeOpen = false
    try {
      closeSync(this.fd)
    } catch {
      // There is nothing in the parent's copy that could be lost.
    }
  }

  /** The child sees only that its pipe is broken; the command's exit code and last words say why. */
  async explain(error: unknown): Promise<unknown> {
    this.forked()
    if (!isForksnapError(error) || errnoOf(error.cause) !== 'EPIPE') return error
    await this.running.endWithin(EXPLANATION_WAIT_MS)
    return (await this.running.failure(error)) ?? tooSoon(this.sliceId, error)
  }

  commit(result: { meta: SliceMeta; trailer: SliceTrailer }): Promise<SliceInfo> {
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

  async #commit({ meta, trailer }: { meta: SliceMeta; trailer: SliceTrailer }): Promise<SliceInfo> {
    const { host } = this
    try {
      const position = checkPosition(meta)
      await this.#checkRight()
      this.forked()
      await this.running.endWithin(host.limitMs)
      const failure = await this.running.failure()
      if (failure !== undefined) throw failure
      return await host.exclusive(() => this.#publish(position, meta, trailer))
    } catch (error) {
      await this.#withdraw().catch(() => undefined) // The first error is the one to tell; prune() tries again.
      throw asStoreError(error, 'publish the slice in', host.index.directory)
    } finally {
      this.running.dispose()
      host.settled(this)
    }
  }

  async #publish(position: bigint, meta: SliceMeta, trailer: SliceTrailer): Promise<SliceInfo> {
    await this.#checkRight()
    const { sliceId, epoch } = this.slice
    const createdAt = new Date()
    const header = { formatVersion: FORMAT_VERSION, sliceId, meta, codec: this.writing.codec }
    const key = { sliceId, epoch, position }
    const location = await this.host.index.publish(key, { header, trailer, createdAt })
    return { ...key, rows: trailer.rows, bytes: trailer.bytes, createdAt, meta, location }
  }

  async #checkRight(): Promise<void> {
    await this.host.checkOwned()
    const { epoch } = this.slice
    if (this.host.currentEpoch() === epoch) return
    const epochs = `it was begun in epoch ${epoch}, now it is epoch ${this.host.currentEpoch()}`
    throw new ForksnapError('ERR_EPOCH_CHANGED', `Slice ${this.sliceId} was not published: ${epochs}; save again`)
  }

  async #cancel(): Promise<void> {
    if (this.#committing !== null) {
      await this.#committing.catch(() => undefined) // Its caller has the error, and it has cleaned up.
      return
    }
    try {
      await this.#withdraw()
    } catch (error) {
      throw asStoreError(error, 'withdraw the slice from', this.host.index.directory)
    } finally {
      this.host.settled(this)
    }
  }

  /** The command goes first: it must not store anything after that was removed. */
  async #withdraw(): Promise<void> {
    this.running.kill()
    this.forked()
    await this.running.exited
    this.running.dispose()
    await this.host.withdraw(this.slice)
  }
}

function tooSoon(sliceId: bigint, cause: unknown): ForksnapError {
  const message = `The command for slice ${sliceId} ended with exit code 0 without reading all of the slice`
  return new ForksnapError('ERR_STORE_FAILED', `${message}; name one that reads its standard input to the end`, {
    cause,
    exitCode: 0,
  })
}

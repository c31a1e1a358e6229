import { ForksnapError, isForksnapError } from '../errors'
import { SliceParser } from '../slice/reader'
import { corrupt } from '../slice/format'
import type { SliceHeader, SliceTrailer } from '../slice/types'
import type { EntryContents } from './command-index'
import { CommandProcess, type Command, type Placeholders } from './command-process'
import type { SliceHandlers, SliceInfo, SliceSource } from './store'

export interface ReadingCommand {
  readonly command: Command
  readonly placeholders: Placeholders
  /** The command is killed when nothing comes for so many milliseconds. */
  readonly limitMs: number
  /** Called when a reading without the user's handlers has found damage. */
  readonly damaged: () => Promise<unknown>
}

/** A slice that each reading fetches anew through a command. It holds one chunk and one frame at a time. */
export class CommandSource implements SliceSource {
  readonly header: SliceHeader
  readonly trailer: SliceTrailer
  readonly #running = new Set<CommandProcess>()
  #closed = false

  constructor(
    readonly info: SliceInfo,
    { header, trailer }: EntryContents,
    private readonly reading: ReadingCommand,
  ) {
    this.header = header
    this.trailer = trailer
  }

  read(handlers: SliceHandlers): Promise<SliceTrailer> {
    return this.#stream(handlers)
  }

  async verify(): Promise<SliceTrailer> {
    try {
      return await this.#stream({})
    } catch (error) {
      if (isForksnapError(error, 'ERR_SLICE_CORRUPT')) await this.reading.damaged()
      throw error
    }
  }

  close(): Promise<void> {
    this.#closed = true
    for (const running of this.#running) running.dispose()
    return Promise.resolve()
  }

  async #stream(handlers: SliceHandlers): Promise<SliceTrailer> {
    this.#checkOpen()
    const { command, placeholders, limitMs } = this.reading
    const running = await CommandProcess.start(command, placeholders, ['ignore', 'pipe'])
    this.#running.add(running)
    const timer = setTimeout(() => running.killForSlowness(limitMs), limitMs)
    try {
      const parser = new SliceParser(handlers)
      for await (const chunk of running.stdout as AsyncIterable<Buffer>) {
        timer.refresh()
        parser.push(chunk)
        handlers.progress?.(parser.bytesRead, this.info.bytes)
        this.#checkOpen()
      }
      this.#checkOpen()
      return await this.#end(parser, running, limitMs)
    } finally {
      clearTimeout(timer)
      this.#running.delete(running)
      running.dispose()
    }
  }

  /** A stream that breaks off is most often a command that failed, which says why by its exit code. */
  async #end(parser: SliceParser, running: CommandProcess, limitMs: number): Promise<SliceTrailer> {
    await running.endWithin(limitMs)
    const failure = await running.failure()
    if (failure !== undefined) throw failure
    const trailer = parser.end()
    if (trailer.checksum === this.trailer.checksum && trailer.bytes === this.trailer.bytes) return trailer
    throw corrupt(`the command gave another slice than was published as ${this.info.sliceId}`, 0)
  }

  #checkOpen(): void {
    if (!this.#closed) return
    throw new ForksnapError('ERR_INVALID_STATE', `Slice ${this.info.sliceId} was closed; open() it again to read it`)
  }
}

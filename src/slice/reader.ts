import { ForksnapError } from '../errors'
import { ByteQueue } from './byte-queue'
import { checkPreamble, corrupt, decodeFooter, decodeFrameHeader, checkPayload } from './format'
import { BLOB_CHUNK_BYTES, type FrameHeader, FrameType, FOOTER_BYTES, FRAME_HEADER_BYTES } from './format'
import { PREAMBLE_BYTES } from './format'
import { type RawHandlers, SectionReader } from './section-reader'
import type { SliceTrailer } from './types'

export { copyLineDecoder } from './decode'
export type { RawHandlers } from './section-reader'
export { readHeader, readTrailer } from './read-ends'
export { timestampToMs } from './time'

/** A piece of a blob and the header of the frame after it. */
export const CHUNK_BYTES_MAX = BLOB_CHUNK_BYTES + FRAME_HEADER_BYTES

/** What comes next in the stream. */
type Expected = 'preamble' | 'frame' | 'payload' | 'footer' | 'end'

/**
 * Reads a slice that arrives in chunks of any size. Rows are delivered only after the checksum of their frame has been
 * verified, so what the handlers have got is right even if the stream breaks later; it is complete only once `end`
 * has returned. Throws `ERR_SLICE_CORRUPT` with the `offset` of the frame or byte at fault, `ERR_SLICE_VERSION` for
 * what this version does not know, and what a handler throws. After an error every call throws.
 *
 * Without a `row` handler, or one that `fields` gives for their table, rows are verified and counted but not decoded, and
 * without a `blob` handler blobs are not kept.
 */
export class SliceParser {
  private readonly queue = new ByteQueue()
  private readonly sections: SectionReader
  private expected: Expected = 'preamble'
  private need = PREAMBLE_BYTES
  private chain = 0
  private frame: FrameHeader | undefined
  private frameOffset = 0
  private trailer: Omit<SliceTrailer, 'bytes'> | undefined
  private failure: unknown
  private ended = false

  constructor(handlers: RawHandlers = {}) {
    this.sections = new SectionReader(handlers)
  }

  /** Bytes that have been read and verified so far. */
  get bytesRead(): number {
    return this.queue.offset
  }

  /**
   * How many bytes the chunk from an offset on should have. Any number will do, but within an uncompressed blob, whose pieces
   * are equally long, this one lets each chunk end where a piece begins: then none spans two chunks, which would cost a
   * copy. 1 to `CHUNK_BYTES_MAX`.
   */
  chunkBytes(offset: number): number {
    const { frame, expected, frameOffset } = this
    if (expected !== 'payload' || frame?.type !== FrameType.blobData || frame.storedBytes !== BLOB_CHUNK_BYTES) {
      return CHUNK_BYTES_MAX
    }
    return CHUNK_BYTES_MAX - ((offset - frameOffset - FRAME_HEADER_BYTES) % CHUNK_BYTES_MAX)
  }

  /** Takes the next bytes of the stream. They may be reused after it returns. */
  push(chunk: Uint8Array): void {
    this.guard(() => {
      this.queue.push(chunk)
      for (;;) {
        if (this.expected === 'end') this.checkNothingFollows()
        const bytes = this.queue.take(this.need)
        if (bytes === undefined) break
        this.advance(bytes)
      }
      this.queue.keep()
    })
  }

  /** The stream has ended: returns the verified trailer, or throws because bytes are missing. */
  end(): SliceTrailer {
    return this.guard(() => {
      const { trailer } = this
      if (this.expected !== 'end' || trailer === undefined) {
        const size = this.queue.offset + this.queue.length
        throw corrupt(`the stream ends here, before its ${this.expected} is complete`, size)
      }
      this.ended = true
      return { ...trailer, bytes: this.queue.offset }
    })
  }

  private advance(bytes: Buffer): void {
    const start = this.queue.offset - bytes.length
    if (this.expected === 'preamble') {
      this.chain = checkPreamble(bytes)
      this.expect('frame', FRAME_HEADER_BYTES)
    } else if (this.expected === 'frame') {
      this.frame = decodeFrameHeader(bytes, this.chain, start)
      this.frameOffset = start
      this.sections.checkOrder(this.frame.type, start)
      this.expect('payload', this.frame.storedBytes)
    } else if (this.expected === 'payload') {
      this.takeFrame(this.frame as FrameHeader, bytes)
    } else {
      this.takeFooter(bytes, start)
    }
  }

  private takeFrame(frame: FrameHeader, payload: Buffer): void {
    checkPayload(frame, payload, this.frameOffset)
    if (frame.type === FrameType.trailer) {
      this.trailer = this.sections.trailer(payload, this.chain, this.frameOffset)
      this.expect('footer', FOOTER_BYTES)
    } else {
      this.sections.frame(frame, payload, this.frameOffset)
      this.chain = frame.chain
      this.expect('frame', FRAME_HEADER_BYTES)
    }
  }

  private takeFooter(bytes: Buffer, start: number): void {
    const footer = decodeFooter(bytes, start)
    if (footer.trailerOffset !== this.frameOffset || footer.chain !== this.chain) {
      throw corrupt('the footer does not fit the trailer', start)
    }
    this.expect('end', 1)
  }

  private expect(expected: Expected, need: number): void {
    this.expected = expected
    this.need = need
  }

  private checkNothingFollows(): void {
    if (this.queue.length > 0) throw corrupt('bytes follow the end of the slice', this.queue.offset)
  }

  /** An error leaves the parser in the middle of something: it is final. */
  private guard<T>(work: () => T): T {
    if (this.failure !== undefined) throw this.failure as Error
    if (this.ended) throw new ForksnapError('ERR_INVALID_STATE', 'The slice has been read: use a new parser')
    try {
      return work()
    } catch (error) {
      this.failure = error ?? new Error('a handler threw nothing')
      throw error
    }
  }
}

import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FRAME_TARGET_BYTES } from './format'

/**
 * The bytes of the rows that are not yet written. Encoders append to `bytes` at `pos`; only what lies before `rowEnd`
 * is whole rows and is ever written, so a row that fails half-way leaves nothing behind. Room for a frame's header is
 * kept in front, so that a frame leaves in one write. The fields are public and plain since this is the hot path.
 */
export class RowBuffer {
  bytes: Uint8Array = new Uint8Array(INITIAL_BYTES)
  /** Where the next byte goes. */
  pos = FRAME_HEADER_BYTES
  /** End of the last whole row. */
  rowEnd = FRAME_HEADER_BYTES
  /** Whole rows of the slice so far, all tables together. */
  rows = 0
  /** At this many rows the writer must look up before the next one: the warm-up's limit, or a writer out of use. */
  stopAt = Infinity

  /** Whether code of the user's (a getter in a JSON value) runs in the middle of a row. */
  readingValue = false

  private readonly flushFrame: (frame: Uint8Array) => void

  /** `flushFrame` gets room for the frame header followed by whole rows; the bytes are reused after it returns. */
  constructor(flushFrame: (frame: Uint8Array) => void) {
    this.flushFrame = flushFrame
  }

  /** Makes room for `count` more bytes. Returns false if the row would then be longer than a frame can be. */
  reserve(count: number): boolean {
    if (this.pos + count <= this.bytes.length) return true
    this.flush()
    if (this.pos + count <= this.bytes.length) return true
    const needed = this.pos + count
    if (needed > FRAME_HEADER_BYTES + FRAME_BYTES_MAX) return false
    const grown = new Uint8Array(
      Math.min(FRAME_HEADER_BYTES + FRAME_BYTES_MAX, Math.max(needed, 2 * this.bytes.length)),
    )
    grown.set(this.bytes.subarray(0, this.pos))
    this.bytes = grown
    return true
  }

  /** Turns the last tab into the row's end, and writes the frame once it is full. */
  endRow(): void {
    this.bytes[this.pos - 1] = LINE_FEED
    this.rowEnd = this.pos
    this.rows += 1
    if (this.pos >= FRAME_TARGET_BYTES) this.flush()
  }

  /** Forgets what a row that failed has left. */
  dropBegunRow(): void {
    this.pos = this.rowEnd
  }

  /** Writes the whole rows; a row that has been begun moves to the front. */
  flush(): void {
    if (this.rowEnd === FRAME_HEADER_BYTES) return
    this.flushFrame(this.bytes.subarray(0, this.rowEnd))
    const begun = this.pos - this.rowEnd
    this.bytes.copyWithin(FRAME_HEADER_BYTES, this.rowEnd, this.pos)
    this.rowEnd = FRAME_HEADER_BYTES
    this.pos = FRAME_HEADER_BYTES + begun
    // One huge row should not keep its memory for the rest of the slice.
    if (begun === 0 && this.bytes.length > RETAINED_BYTES_MAX) this.bytes = new Uint8Array(INITIAL_BYTES)
  }
}

const LINE_FEED = 10
const INITIAL_BYTES = FRAME_HEADER_BYTES + FRAME_TARGET_BYTES + 64 * 1024
const RETAINED_BYTES_MAX = 4 * 1024 * 1024

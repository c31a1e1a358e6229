/** Bytes that arrive in chunks and leave in pieces of a wanted length, copied only where a piece spans chunks. */
export class ByteQueue {
  /** Bytes taken so far: the offset of the next one in the stream. */
  offset = 0
  private chunk: Buffer = EMPTY
  private held: Buffer = EMPTY
  private heldBytes = 0

  /** Bytes that are here and not taken. */
  get length(): number {
    return this.heldBytes + this.chunk.length
  }

  /** Adds a chunk. It is the caller's again after `keep`; until then pieces may be views of it. */
  push(chunk: Uint8Array): void {
    this.keep()
    this.chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  }

  /** The next `count` bytes, valid until the next call, or undefined if they are not all here. */
  take(count: number): Buffer | undefined {
    if (this.length < count) return undefined
    this.offset += count
    if (this.heldBytes === 0) return this.cut(count)
    this.hold(this.cut(count - this.heldBytes))
    const piece = this.held.subarray(0, this.heldBytes)
    this.heldBytes = 0
    // A view of a buffer that is about to be overwritten would be a trap, so a piece takes its buffer along.
    this.held = EMPTY
    return piece
  }

  /** Copies what is left of the chunk. */
  keep(): void {
    if (this.chunk.length > 0) this.hold(this.cut(this.chunk.length))
  }

  private cut(count: number): Buffer {
    const piece = this.chunk.subarray(0, count)
    this.chunk = this.chunk.subarray(count)
    return piece
  }

  /** Grows with what has really arrived, whatever length a frame claims. */
  private hold(piece: Buffer): void {
    const needed = this.heldBytes + piece.length
    if (needed > this.held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.held.length))
      this.held.copy(grown, 0, 0, this.heldBytes)
      this.held = grown
    }
    piece.copy(this.held, this.heldBytes)
    this.heldBytes = needed
  }
}

const EMPTY = Buffer.alloc(0)

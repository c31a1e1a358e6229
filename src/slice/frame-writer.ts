import { crc32 } from 'node:zlib'
import { ForksnapError } from '../errors'
import { compress } from './codec'
import { CONTROL_BYTES_MAX, FRAME_HEADER_BYTES, FrameType, TRAILER_BYTES_MAX } from './format'
import { encodeFooter, encodeFrameHeader, encodePreamble } from './format'
import type { SliceTarget } from './target'
import type { Codec } from './types'

/** Puts frames into the target, keeps the chain of checksums and has it synced as it goes. Knows nothing of rows. */
export class FrameWriter {
  /** Bytes written so far. */
  bytes = 0
  /** Link of the chain after the last frame. */
  chain: number
  /** What the target threw; nothing can be written after it. */
  failure: unknown

  private unsynced = 0

  constructor(
    private readonly target: SliceTarget,
    private readonly codec: Codec,
    private readonly syncEveryBytes: number,
  ) {
    const preamble = encodePreamble()
    this.chain = preamble.chain
    this.put(preamble.bytes)
  }

  /** A frame of JSON text. Throws `ERR_INVALID_VALUE` if it is longer than such a frame can be. */
  json(type: FrameType, text: string): void {
    const payload = Buffer.from(text)
    const most = type === FrameType.trailer ? TRAILER_BYTES_MAX : CONTROL_BYTES_MAX
    if (payload.length > most) {
      const what = type === FrameType.header ? 'meta' : `frame ${type}`
      throw new ForksnapError('ERR_INVALID_VALUE', `The slice's ${what} has ${payload.length} bytes, more than ${most}`)
    }
    this.separate(type, 'none', [payload], payload.length)
  }

  /** A frame whose payload consists of these parts and may be compressed. */
  data(type: FrameType, parts: readonly Uint8Array[]): void {
    const rawBytes = parts.reduce((sum, part) => sum + part.length, 0)
    const packed = this.codec === 'none' ? undefined : compress(this.codec, joined(parts))
    if (packed === undefined) this.separate(type, 'none', parts, rawBytes)
    else this.separate(type, this.codec, [packed], rawBytes)
  }

  /** The same for a payload that has room for the frame header in front of it. */
  dataWithRoom(type: FrameType, frame: Uint8Array): void {
    const payload = frame.subarray(FRAME_HEADER_BYTES)
    const packed = compress(this.codec, payload)
    if (packed !== undefined) return this.separate(type, this.codec, [packed], payload.length)
    this.header(frame, type, 'none', [payload], payload.length)
    this.put(frame)
  }

  /** Writes the trailer and the footer, and syncs. */
  end(trailer: string): void {
    const trailerOffset = this.bytes
    const checksum = this.chain
    this.json(FrameType.trailer, trailer)
    this.put(encodeFooter({ trailerOffset, trailerBytes: this.bytes - trailerOffset, chain: checksum }))
    if (this.syncEveryBytes > 0) this.guard(() => this.target.sync?.())
  }

  private separate(type: FrameType, codec: Codec, parts: readonly Uint8Array[], rawBytes: number): void {
    const header = new Uint8Array(FRAME_HEADER_BYTES)
    this.header(header, type, codec, parts, rawBytes)
    this.put(header)
    for (const part of parts) this.put(part)
  }

  private header(
    target: Uint8Array,
    type: FrameType,
    codec: Codec,
    parts: readonly Uint8Array[],
    rawBytes: number,
  ): void {
    let storedBytes = 0
    let payloadCrc = 0
    for (const part of parts) {
      storedBytes += part.length
      payloadCrc = crc32(part, payloadCrc)
    }
    this.chain = encodeFrameHeader(target, { type, codec, storedBytes, rawBytes, payloadCrc }, this.chain)
  }

  private put(data: Uint8Array): void {
    this.guard(() => {
      this.target.write(data)
      this.bytes += data.length
      this.unsynced += data.length
      if (this.syncEveryBytes === 0 || this.unsynced < this.syncEveryBytes) return
      this.unsynced = 0
      this.target.startSync?.()
    })
  }

  /** After a failed write nobody knows how much of it is there, and a failed sync is final. */
  private guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.failure = error
      throw error
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0] : Buffer.concat(parts)
}

import { crc32 } from 'node:zlib'
import { ForksnapError } from '../errors'
import type { Codec } from './types'

/*
 * The slice stream, format version 1. `docs/format.md` is the same for readers in other languages.
 *
 *   stream   = preamble, header frame, section*, trailer frame, footer
 *   section  = table frame, rows frame*, seal frame           (one table)
 *            | blob frame, blob data frame*                   (one blob; as many bytes as its frame says)
 *
 * Integers are unsigned and little-endian; text is UTF-8; a checksum is CRC-32 (ISO 3309, the one of gzip and zlib).
 *
 *   preamble, 16 bytes
 *      0  8  magic: 89 46 53 4e 41 50 0d 0a ("\x89FSNAP\r\n")
 *      8  4  format version
 *     12  4  CRC-32 of bytes 0 to 11
 *
 *   frame, 20 bytes and a payload
 *      0  1  type: 1 header, 2 table, 3 rows, 4 seal, 5 blob, 6 blob data, 7 trailer
 *      1  1  codec of this payload: 0 none, 1 gzip, 2 zstd (a payload that would not shrink stays plain)
 *      2  2  flags: 0
 *      4  4  length of the payload as it is stored
 *      8  4  length of the payload once it is decompressed
 *     12  4  CRC-32 of the payload as it is stored
 *     16  4  chain: CRC-32 of bytes 0 to 15, continued from the chain of the frame before (first: the preamble's CRC-32)
 *
 *   payloads: rows is whole lines of PostgreSQL's COPY text format, each ended by a line feed; blob data is bytes; the
 *   others are JSON objects and always plain:
 *      header   { sliceId: "1", codec: "none", meta: {...} }    bigints in meta: see json.ts
 *      table    { name, columns: [[name, type] or [name, type, { as }], ...] }
 *      seal     { rows }
 *      blob     { name, bytes }
 *      trailer  { rows, tables: [[name, rows], ...], blobs: [[name, bytes], ...], values: {...}, checksum }
 *
 *   footer, 28 bytes, so that the trailer can be found from the end
 *      0  8  magic: 46 53 4e 41 50 45 4e 44 ("FSNAPEND")
 *      8  8  offset of the trailer frame
 *     16  4  length of the trailer frame, its 20 bytes included
 *     20  4  chain of the frame before the trailer, which is also the trailer's `checksum`
 *     24  4  CRC-32 of bytes 0 to 23
 *
 * The chain makes a frame valid in its own place only: one that is missing, doubled, moved or of another slice is found
 * at once. Since it runs over the payloads' checksums, its last value is a checksum of the whole stream, at no cost.
 */

export const FORMAT_VERSION = 1

export const PREAMBLE_BYTES = 16
export const FRAME_HEADER_BYTES = 20
export const FOOTER_BYTES = 28

/** A rows frame is written as soon as it holds this many bytes. */
export const FRAME_TARGET_BYTES = 256 * 1024
/** Blobs travel in pieces of this size. */
export const BLOB_CHUNK_BYTES = 1024 * 1024
/** No frame is longer than this, decompressed; a row that would be longer is refused. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024
/** Longest payload of header, table, seal and blob frames. */
export const CONTROL_BYTES_MAX = 1024 * 1024
/** Longest payload of the trailer. */
export const TRAILER_BYTES_MAX = 16 * 1024 * 1024
/** What `set` may say in all, as JSON. */
export const VALUES_BYTES_MAX = 1024 * 1024
/** Tables in a slice, and blobs in a slice. */
export const SECTIONS_MAX = 10_000
/** Columns of a table: PostgreSQL's own limit. */
export const COLUMNS_MAX = 1600
/** PostgreSQL's limit on a name, in bytes of UTF-8. */
export const NAME_BYTES_MAX = 63

export const FrameType = { header: 1, table: 2, rows: 3, seal: 4, blob: 5, blobData: 6, trailer: 7 } as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

const CODECS: readonly Codec[] = ['none', 'gzip', 'zstd']
const PREAMBLE_MAGIC = Buffer.from('\x89FSNAP\r\n', 'latin1')
const FOOTER_MAGIC = Buffer.from('FSNAPEND', 'latin1')

export interface FrameHeader {
  readonly type: FrameType
  readonly codec: Codec
  readonly storedBytes: number
  readonly rawBytes: number
  readonly payloadCrc: number
  readonly chain: number
}

export interface Footer {
  readonly trailerOffset: number
  readonly trailerBytes: number
  readonly chain: number
}

export function corrupt(message: string, offset: number, cause?: unknown): ForksnapError {
  const advice = 'the slice is damaged: use an older one'
  return new ForksnapError('ERR_SLICE_CORRUPT', `At byte ${offset}: ${message}; ${advice}`, { offset, cause })
}

export function unknownVersion(message: string, offset: number, cause?: unknown): ForksnapError {
  const advice = 'read it with the version of forksnap that wrote it'
  return new ForksnapError('ERR_SLICE_VERSION', `At byte ${offset}: ${message}; ${advice}`, { offset, cause })
}

/** The preamble and the first link of the chain. */
export function encodePreamble(): { bytes: Buffer; chain: number } {
  const bytes = Buffer.alloc(PREAMBLE_BYTES)
  PREAMBLE_MAGIC.copy(bytes)
  bytes.writeUInt32LE(FORMAT_VERSION, 8)
  const chain = crc32(bytes.subarray(0, 12))
  bytes.writeUInt32LE(chain, 12)
  return { bytes, chain }
}

/** Checks the preamble and returns the first link of the chain. */
export function checkPreamble(bytes: Buffer): number {
  if (!bytes.subarray(0, 8).equals(PREAMBLE_MAGIC)) throw corrupt('this is not the beginning of a slice', 0)
  const chain = crc32(bytes.subarray(0, 12))
  if (bytes.readUInt32LE(12) !== chain) throw corrupt('the checksum of the preamble is wrong', 0)
  const version = bytes.readUInt32LE(8)
  if (version !== FORMAT_VERSION) {
    throw unknownVersion(`the slice has format version ${version}, this reader knows ${FORMAT_VERSION}`, 8)
  }
  return chain
}

/** Writes a frame's header into the first bytes of `target` and returns the new link of the chain. */
export function encodeFrameHeader(target: Uint8Array, frame: Omit<FrameHeader, 'chain'>, previous: number): number {
  const view = new DataView(target.buffer, target.byteOffset, FRAME_HEADER_BYTES)
  view.setUint8(0, frame.type)
  view.setUint8(1, CODECS.indexOf(frame.codec))
  view.setUint16(2, 0, true)
  view.setUint32(4, frame.storedBytes, true)
  view.setUint32(8, frame.rawBytes, true)
  view.setUint32(12, frame.payloadCrc, true)
  const chain = crc32(target.subarray(0, 16), previous)
  view.setUint32(16, chain, true)
  return chain
}

/** Reads a frame's header of which the chain is right; everything else in it is bounded before anybody relies on it. */
export function decodeFrameHeader(bytes: Buffer, previous: number, offset: number): FrameHeader {
  const chain = bytes.readUInt32LE(16)
  if (crc32(bytes.subarray(0, 16), previous) !== chain) {
    throw corrupt('the checksum of the frame header is wrong or the frame is not in its place', offset)
  }
  const type = bytes.readUInt8(0)
  if (type < FrameType.header || type > FrameType.trailer) throw unknownVersion(`unknown frame type ${type}`, offset)
  const codec = CODECS[bytes.readUInt8(1)]
  if (codec === undefined) throw unknownVersion(`unknown codec ${bytes.readUInt8(1)}`, offset)
  const flags = bytes.readUInt16LE(2)
  if (flags !== 0) throw unknownVersion(`unknown flags ${flags}`, offset)
  const storedBytes = bytes.readUInt32LE(4)
  const rawBytes = bytes.readUInt32LE(8)
  const frame = { type: type as FrameType, codec, storedBytes, rawBytes, payloadCrc: bytes.readUInt32LE(12), chain }
  checkLengths(frame, offset)
  return frame
}

function checkLengths(frame: FrameHeader, offset: number): void {
  const { type, codec, storedBytes, rawBytes } = frame
  const control = type !== FrameType.rows && type !== FrameType.blobData
  if (control && codec !== 'none') throw corrupt(`a frame of type ${type} is compressed`, offset)
  const most = payloadBytesMax(type)
  if (rawBytes > most) throw corrupt(`the frame says ${rawBytes} bytes, the limit is ${most}`, offset)
  if (rawBytes === 0) throw corrupt('the frame is empty', offset)
  const sound = codec === 'none' ? storedBytes === rawBytes : storedBytes > 0 && storedBytes < rawBytes
  if (!sound) throw corrupt(`a payload of ${storedBytes} bytes cannot hold ${rawBytes} (codec ${codec})`, offset)
}

function payloadBytesMax(type: FrameType): number {
  if (type === FrameType.rows) return FRAME_BYTES_MAX
  if (type === FrameType.blobData) return BLOB_CHUNK_BYTES
  return type === FrameType.trailer ? TRAILER_BYTES_MAX : CONTROL_BYTES_MAX
}

export function checkPayload(frame: FrameHeader, payload: Uint8Array, offset: number): void {
  if (crc32(payload) !== frame.payloadCrc) throw corrupt('the checksum of the frame is wrong', offset)
}

export function encodeFooter(footer: Footer): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  FOOTER_MAGIC.copy(bytes)
  bytes.writeBigUInt64LE(BigInt(footer.trailerOffset), 8)
  bytes.writeUInt32LE(footer.trailerBytes, 16)
  bytes.writeUInt32LE(footer.chain, 20)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 24)), 24)
  return bytes
}

/** Reads a footer that begins at `offset`, and checks that the trailer ends where it begins. */
export function decodeFooter(bytes: Buffer, offset: number): Footer {
  if (!bytes.subarray(0, 8).equals(FOOTER_MAGIC)) throw corrupt('the stream does not end in a footer', offset)
  if (crc32(bytes.subarray(0, 24)) !== bytes.readUInt32LE(24)) {
    throw corrupt('the checksum of the footer is wrong', offset)
  }
  const trailerOffset = Number(bytes.readBigUInt64LE(8))
  const trailerBytes = bytes.readUInt32LE(16)
  const most = FRAME_HEADER_BYTES + TRAILER_BYTES_MAX
  if (trailerBytes > most || trailerOffset + trailerBytes !== offset) {
    throw corrupt('the footer points at no trailer before it: bytes are missing or too many', offset)
  }
  return { trailerOffset, trailerBytes, chain: bytes.readUInt32LE(20) }
}

/** A link of the chain as the trailer's `checksum`: eight hexadecimal digits. */
export function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}

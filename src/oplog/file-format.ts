import { crc32 } from 'node:zlib'
import { METHOD_BYTES_MAX, PARAMS_BYTES_MAX } from './operation'

/**
 * The format of a log's segments, version 1. docs/log-format.md says the same for those who read them without forksnap.
 *
 *   segment = header, batch*
 *   header  = magic (8), version (u32), CRC (u32), epoch (u64), first id (u64), previous first id (u64), salt (u64)
 *   batch   = batch header, entry*
 *   batch header = magic (u32), CRC (u32), bytes of the entries (u32), number of entries (u32), first id (u64),
 *                  durable offset (u64)
 *   entry   = CRC (u32), bytes after these 8 (u32), time (f64, ms since 1970), bytes of the method (u8), method, params (JSON)
 *
 * Integers are little-endian and unsigned, text is UTF-8, and CRC is the CRC-32 of zlib over what follows it: over the
 * rest of the header, of the batch header, of the entry.
 *
 * - The CRC of a batch header continues from that of the segment's header, so a batch of another segment never fits.
 * - The CRC of an entry begins with the low 32 bits of (CRC-32 of the epoch as u64) + id, so an entry fits its place only.
 * - `previous first id` names the segment before, 0 for the first of an epoch: a missing segment is noticed by its name.
 * - `durable offset` says how much of the segment had been synced before the batch was written. What is damaged before
 *   the highest one of the segment, or in any segment but the last, was durable and is corruption. Damage after it is
 *   the torn tail of a crash, even if good batches follow, since the disk may have written them in another order.
 * - A batch without entries is a mark that all before it is durable; closing the log leaves one.
 */
export const SEGMENT_HEADER_BYTES = 48
export const BATCH_HEADER_BYTES = 32
export const ENTRY_HEADER_BYTES = 17
const FORMAT_VERSION = 1

/** What the entries of a batch have together at most, unless it is a single one. */
export const BATCH_BODY_BYTES_MAX = 256 * 1024
const ENTRY_BYTES_MAX = ENTRY_HEADER_BYTES + METHOD_BYTES_MAX + PARAMS_BYTES_MAX

const SEGMENT_MAGIC = Buffer.from('\x89FSLOG\r\n', 'latin1')
/** Its bytes never stand in the text of an entry, since FF is no part of UTF-8. */
export const BATCH_MAGIC = Buffer.from([0xff, 0x46, 0x53, 0x42])
const BATCH_MAGIC_NUMBER = BATCH_MAGIC.readUInt32LE(0)

export interface SegmentHeader {
  readonly epoch: bigint
  readonly firstId: bigint
  /** First id of the segment before this one; 0n if there is none. */
  readonly previousFirstId: bigint
  /** Any number: it keeps a batch of another file from fitting. */
  readonly salt: bigint
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
  SEGMENT_MAGIC.copy(bytes)
  bytes.writeUInt32LE(FORMAT_VERSION, 8)
  bytes.writeBigUInt64LE(header.epoch, 16)
  bytes.writeBigUInt64LE(header.firstId, 24)
  bytes.writeBigUInt64LE(header.previousFirstId, 32)
  bytes.writeBigUInt64LE(header.salt, 40)
  bytes.writeUInt32LE(segmentCrc(bytes), 12)
  return bytes
}

/** The CRC covers magic and version too. */
function segmentCrc(bytes: Buffer): number {
  return crc32(bytes.subarray(16, SEGMENT_HEADER_BYTES), crc32(bytes.subarray(0, 12)))
}

/** A header, or what is wrong with it; `seed` is the CRC from which those of the segment's batches continue. */
export type ParsedHeader = (SegmentHeader & { readonly seed: number }) | { readonly problem: 'damaged' | 'version' }

export function parseSegmentHeader(bytes: Buffer): ParsedHeader {
  if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) return { problem: 'damaged' }
  const seed = bytes.readUInt32LE(12)
  if (segmentCrc(bytes) !== seed) return { problem: 'damaged' }
  if (bytes.readUInt32LE(8) !== FORMAT_VERSION) return { problem: 'version' }
  return {
    epoch: bytes.readBigUInt64LE(16),
    firstId: bytes.readBigUInt64LE(24),
    previousFirstId: bytes.readBigUInt64LE(32),
    salt: bytes.readBigUInt64LE(40),
    seed,
  }
}

export interface BatchHeader {
  readonly bodyBytes: number
  readonly entries: number
  readonly firstId: bigint
  readonly durableOffset: number
}

/** Writes a batch header at the beginning of `bytes`. */
export function writeBatchHeader(bytes: Buffer, header: BatchHeader, seed: number): void {
  bytes.writeUInt32LE(BATCH_MAGIC_NUMBER, 0)
  bytes.writeUInt32LE(header.bodyBytes, 8)
  bytes.writeUInt32LE(header.entries, 12)
  bytes.writeBigUInt64LE(header.firstId, 16)
  bytes.writeBigUInt64LE(BigInt(header.durableOffset), 24)
  bytes.writeUInt32LE(crc32(bytes.subarray(8, BATCH_HEADER_BYTES), seed), 4)
}

/** The batch header at a place in `bytes`, or undefined if there is no sound one. */
export function parseBatchHeader(bytes: Buffer, at: number, seed: number): BatchHeader | undefined {
  if (bytes.length - at < BATCH_HEADER_BYTES || bytes.readUInt32LE(at) !== BATCH_MAGIC_NUMBER) return undefined
  if (crc32(bytes.subarray(at + 8, at + BATCH_HEADER_BYTES), seed) !== bytes.readUInt32LE(at + 4)) return undefined
  const bodyBytes = bytes.readUInt32LE(at + 8)
  const entries = bytes.readUInt32LE(at + 12)
  const durableOffset = bytes.readBigUInt64LE(at + 24)
  if (durableOffset > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  if (bodyBytes > (entries === 1 ? ENTRY_BYTES_MAX : BATCH_BODY_BYTES_MAX)) return undefined
  return { bodyBytes, entries, firstId: bytes.readBigUInt64LE(at + 16), durableOffset: Number(durableOffset) }
}

/** What the CRC of the entry with this id begins with is this plus the id, modulo 2^32. */
export function epochSeed(epoch: bigint): number {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(epoch)
  return crc32(bytes)
}

export function entrySeed(epochsSeed: number, id: bigint): number {
  return (epochsSeed + Number(BigInt.asUintN(32, id))) >>> 0
}

/** Fills in the head of an entry whose method and params stand at their places already. */
export function sealEntry(
  bytes: Buffer,
  at: number,
  end: number,
  time: number,
  methodBytes: number,
  seed: number,
): void {
  bytes.writeUInt32LE(end - at - 8, at + 4)
  bytes.writeDoubleLE(time, at + 8)
  bytes[at + 16] = methodBytes
  bytes.writeUInt32LE(crc32(bytes.subarray(at + 4, end), seed), at)
}

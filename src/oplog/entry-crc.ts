import { crc32 } from 'node:zlib'

/** The reflected polynomial of the CRC-32. */
const POLYNOMIAL = 0xedb88320
/** 8 tables of 256: what a byte does to the CRC when so many bytes follow it. */
const TABLES = makeTables()
/** Longer ones are worth the call. */
const OWN_BYTES_MAX = 512

/**
 * The CRC-32 of zlib over `bytes` from `start` to `end`, which continues from `seed`. Entries are short and there are
 * hundreds of thousands of them: at 120 bytes this takes a third of the time of a call into native code with a view.
 */
export function entryCrc(bytes: Buffer, start: number, end: number, seed: number): number {
  if (end - start > OWN_BYTES_MAX) return crc32(bytes.subarray(start, end), seed)
  let crc = ~seed
  let at = start
  for (; at + 8 <= end; at += 8) {
    crc ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
    crc =
      TABLES[1792 + (crc & 255)] ^
      TABLES[1536 + ((crc >>> 8) & 255)] ^
      TABLES[1280 + ((crc >>> 16) & 255)] ^
      TABLES[1024 + (crc >>> 24)] ^
      TABLES[768 + bytes[at + 4]] ^
      TABLES[512 + bytes[at + 5]] ^
      TABLES[256 + bytes[at + 6]] ^
      TABLES[bytes[at + 7]]
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ TABLES[(crc ^ bytes[at]) & 255]
  return ~crc >>> 0
}

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    tables[byte] = crc
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]
    tables[at] = (before >>> 8) ^ tables[before & 255]
  }
  return tables
}

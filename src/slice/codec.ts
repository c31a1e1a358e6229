import * as zlib from 'node:zlib'
import { ForksnapError } from '../errors'
import type { Codec } from './types'

/** zstd came with Node 22.15 and 23.8, so the functions may be missing whatever the type declarations say. */
const zstd: Partial<Pick<typeof zlib, 'zstdCompressSync' | 'zstdDecompressSync'>> = zlib

/** Whether this runtime has the codec. */
export function hasCodec(codec: Codec): boolean {
  return codec !== 'zstd' || (zstd.zstdCompressSync !== undefined && zstd.zstdDecompressSync !== undefined)
}

/** Throws `ERR_INVALID_ARGUMENT` for what is no codec and `ERR_UNSUPPORTED_PLATFORM` for one that this runtime lacks. */
export function checkCodec(codec: Codec): void {
  if (codec !== 'none' && codec !== 'gzip' && codec !== 'zstd') {
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `codec must be 'none', 'gzip' or 'zstd'; got ${String(codec)}`)
  }
  if (hasCodec(codec)) return
  throw new ForksnapError(
    'ERR_UNSUPPORTED_PLATFORM',
    `Node ${process.versions.node} has no zstd: use Node 22.15 or newer for this slice, or the codec gzip for new ones`,
  )
}

/** Fast levels: a snapshot's child should end soon, and rows of text compress well at any level. */
const GZIP_LEVEL = 1

/** The compressed payload, or undefined where it would not be shorter. */
export function compress(codec: Codec, payload: Uint8Array): Uint8Array | undefined {
  if (codec === 'none') return undefined
  const packed = codec === 'gzip' ? zlib.gzipSync(payload, { level: GZIP_LEVEL }) : zstd.zstdCompressSync?.(payload)
  return packed !== undefined && packed.length < payload.length ? packed : undefined
}

/** Decompresses into exactly `rawBytes` bytes, never more; throws if there are more or fewer. */
export function decompress(codec: Codec, payload: Uint8Array, rawBytes: number): Buffer {
  const options = { maxOutputLength: rawBytes }
  const raw = codec === 'gzip' ? zlib.gunzipSync(payload, options) : zstd.zstdDecompressSync?.(payload, options)
  if (raw === undefined) throw new Error(`the codec ${codec} is missing`)
  if (raw.length !== rawBytes) throw new Error(`${raw.length} bytes came out of ${rawBytes}`)
  return raw
}

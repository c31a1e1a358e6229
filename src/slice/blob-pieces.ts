import { isAnyArrayBuffer, isSharedArrayBuffer } from 'node:util/types'
import { ForksnapError } from '../errors'
import { quote } from './columns'
import { BLOB_CHUNK_BYTES } from './format'
import type { BlobData } from './types'

/** What a blob's bytes are, as views of them. Throws `ERR_INVALID_VALUE` for anything else. */
export function viewsOf(name: string, data: BlobData): Uint8Array[] {
  const parts: readonly unknown[] = Array.isArray(data) ? data : [data]
  return parts.map((part) => {
    if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength)
    if (isAnyArrayBuffer(part)) return new Uint8Array(part)
    const what = 'is not an ArrayBuffer, a view of one, or a list of these'
    throw new ForksnapError('ERR_INVALID_VALUE', `The blob ${quote(name)} ${what}`)
  })
}

/**
 * Cuts the views, as if they were one, into the pieces that a blob travels in: each as long as a piece can be, but the last
 * one. A piece is a list of views, more than one where views meet; nothing is copied but shared memory, which could change
 * between the checksum and the write.
 */
export function* blobPieces(views: readonly Uint8Array[]): Generator<Uint8Array[], void> {
  let piece: Uint8Array[] = []
  let missing = BLOB_CHUNK_BYTES
  for (const view of views) {
    for (let from = 0; from < view.length;) {
      const part = view.subarray(from, from + missing)
      piece.push(isSharedArrayBuffer(part.buffer) ? Buffer.from(part) : part)
      from += part.length
      missing -= part.length
      if (missing > 0) continue
      yield piece
      piece = []
      missing = BLOB_CHUNK_BYTES
    }
  }
  if (piece.length > 0) yield piece
}

/** The first `bytes` bytes of the views. */
export function firstBytes(views: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  return views.map((view) => {
    const part = view.subarray(0, left)
    left -= part.length
    return part
  })
}

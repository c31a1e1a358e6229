import { hasCodec } from '../../src/slice/codec'
import { SliceParser } from '../../src/slice/reader'
import type { Codec, Column, ColumnType, ReadValue, SliceHeader, SliceTrailer } from '../../src/slice/types'
import { createSliceWriter, type FinishingSliceWriter, type SliceWriterOptions } from '../../src/slice/writer'

/** Slices in memory: written into a buffer, read back into plain objects. */

export const CODECS: readonly Codec[] = (['none', 'gzip', 'zstd'] as const).filter(hasCodec)

export function memoryTarget(): { readonly pieces: Buffer[]; write(data: Uint8Array): void; bytes(): Buffer } {
  const pieces: Buffer[] = []
  return {
    pieces,
    // A copy, since the bytes are the writer's again after the call.
    write: (data) => void pieces.push(Buffer.from(data)),
    bytes: () => Buffer.concat(pieces),
  }
}

export function writeSlice(
  write: (slice: FinishingSliceWriter) => void,
  options: Partial<SliceWriterOptions> = {},
): { bytes: Buffer; trailer: SliceTrailer } {
  const target = memoryTarget()
  const writer = createSliceWriter(target, { sliceId: 1n, meta: {}, codec: 'none', syncEveryBytes: 0, ...options })
  write(writer)
  const trailer = writer.finish()
  return { bytes: target.bytes(), trailer }
}

export interface Collected {
  header: SliceHeader | undefined
  columns: Map<string, readonly Column[]>
  rows: [table: string, values: ReadValue[]][]
  ends: [table: string, rows: number][]
  blobs: Map<string, Uint8Array>
  trailer: SliceTrailer | undefined
  error: unknown
}

/** Reads the stream in chunks of these lengths, repeated; what arrived before an error is kept beside the error. */
export function tryReadSlice(bytes: Uint8Array, chunkLengths: readonly number[] = [bytes.length]): Collected {
  const seen: Collected = {
    header: undefined,
    columns: new Map(),
    rows: [],
    ends: [],
    blobs: new Map(),
    trailer: undefined,
    error: undefined,
  }
  const parser = new SliceParser({
    header: (header) => (seen.header = header),
    table: (name, columns) => seen.columns.set(name, columns),
    row: (table, values) => seen.rows.push([table, values]),
    tableEnd: (name, rows) => seen.ends.push([name, rows]),
    blob: (name, data) => seen.blobs.set(name, data),
  })
  try {
    let at = 0
    for (let i = 0; at < bytes.length; i++) {
      const length = Math.max(1, chunkLengths[i % chunkLengths.length] ?? bytes.length)
      // The chunk is overwritten afterwards, as a reader would that reuses one buffer.
      const chunk = Buffer.from(bytes.subarray(at, at + length))
      parser.push(chunk)
      chunk.fill(0xff)
      at += chunk.length
    }
    seen.trailer = parser.end()
  } catch (error) {
    seen.error = error
  }
  return seen
}

export function readSlice(bytes: Uint8Array, chunkLengths?: readonly number[]): Collected {
  const seen = tryReadSlice(bytes, chunkLengths)
  if (seen.error !== undefined) throw seen.error as Error
  return seen
}

/** Writes values as rows of one column and reads them back. */
export function roundTrip(type: ColumnType, values: readonly unknown[], as?: 'number' | 'bigint'): ReadValue[] {
  const { bytes } = writeSlice((slice) => {
    const table = slice.table('t', [as === undefined ? ['v', type] : ['v', type, { as }]])
    for (const value of values) table.row(value as never)
  })
  return readSlice(bytes).rows.map(([, row]) => row[0])
}

/** The COPY lines of a slice's rows frames, as they are stored (codec none). */
export function copyText(values: readonly unknown[], type: ColumnType): string {
  const { bytes } = writeSlice((slice) => {
    const table = slice.table('t', [['v', type]])
    for (const value of values) table.row(value as never)
  })
  return frames(bytes)
    .filter((frame) => frame.type === 3)
    .map((frame) => bytes.toString('utf8', frame.offset + 20, frame.end))
    .join('')
}

/** Where the frames of a slice lie, read by hand from docs/format.md rather than by the reader under test. */
export function frames(bytes: Buffer): { type: number; codec: number; offset: number; end: number }[] {
  const found = []
  for (let offset = 16; offset < bytes.length - 28;) {
    const end = offset + 20 + bytes.readUInt32LE(offset + 4)
    found.push({ type: bytes.readUInt8(offset), codec: bytes.readUInt8(offset + 1), offset, end })
    offset = end
  }
  return found
}

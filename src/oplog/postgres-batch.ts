import type { EncodedOperation } from './operation'

/**
 * A batch of entries as columns, and the columns as PostgreSQL's binary arrays: one parameter each, however many entries
 * there are, with no quoting on this side and no parsing on the other.
 *
 * A binary array is, all in big-endian 32-bit numbers: dimensions, whether it holds nulls, type of the elements, then for
 * each dimension its length and the index of its first element; then each element as a length and its bytes.
 */
export interface Columns {
  readonly times: number[]
  readonly methods: string[]
  readonly params: string[]
}

/** Numbers that PostgreSQL gives its types. */
const TEXT_OID = 25
const TIMESTAMP_OID = 1114
const HEADER_BYTES = 20
const LENGTH_BYTES = 4
const TIMESTAMP_BYTES = 8
/** PostgreSQL counts timestamps in microseconds since 2000-01-01. */
const EPOCH_2000_MS = 946_684_800_000

export function newColumns(): Columns {
  return { times: [], methods: [], params: [] }
}

export function addOperation(columns: Columns, { time, method, params }: EncodedOperation): void {
  columns.times.push(time)
  columns.methods.push(method)
  columns.params.push(params)
}

/** The parameters for `$n::timestamp[], $n+1::text[], $n+2::text[]`. */
export function encodeColumns({ times, methods, params }: Columns): readonly [Buffer, Buffer, Buffer] {
  return [timestampArray(times), textArray(methods), textArray(params)]
}

function timestampArray(times: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + times.length * (LENGTH_BYTES + TIMESTAMP_BYTES))
  let pos = writeHeader(bytes, TIMESTAMP_OID, times.length)
  for (const time of times) {
    pos = bytes.writeInt32BE(TIMESTAMP_BYTES, pos)
    // As a bigint, since the microseconds of far years are beyond what a number counts exactly.
    pos = bytes.writeBigInt64BE(BigInt(time - EPOCH_2000_MS) * 1000n, pos)
  }
  return bytes
}

function textArray(texts: readonly string[]): Buffer {
  const total = texts.reduce((sum, text) => sum + LENGTH_BYTES + Buffer.byteLength(text), HEADER_BYTES)
  const bytes = Buffer.allocUnsafe(total)
  let pos = writeHeader(bytes, TEXT_OID, texts.length)
  for (const text of texts) {
    const written = bytes.write(text, pos + LENGTH_BYTES)
    bytes.writeInt32BE(written, pos)
    pos += LENGTH_BYTES + written
  }
  return bytes
}

function writeHeader(bytes: Buffer, elementOid: number, length: number): number {
  let pos = bytes.writeInt32BE(1, 0)
  pos = bytes.writeInt32BE(0, pos)
  pos = bytes.writeInt32BE(elementOid, pos)
  pos = bytes.writeInt32BE(length, pos)
  return bytes.writeInt32BE(1, pos)
}

import { parseColumns, toColumn } from './columns'
import { corrupt, FrameType, hex32, SECTIONS_MAX, unknownVersion } from './format'
import { FORMAT_VERSION } from './format'
import { decodeMeta } from './json'
import type { BlobSummary, Codec, Column, JsonValue, SliceHeader, SliceTrailer, TableSummary } from './types'

/** The payloads of the frames that are JSON: checked in every field, since nothing that is read is to be believed. */

type JsonObject = { readonly [key: string]: JsonValue }

export function readHeaderPayload(payload: Buffer, offset: number): SliceHeader {
  const json = parseObject(payload, ['sliceId', 'codec', 'meta'], offset)
  const { sliceId, codec, meta } = json
  if (typeof sliceId !== 'string' || !/^\d{1,19}$/.test(sliceId)) throw corrupt('the slice id is no number', offset)
  if (codec !== 'none' && codec !== 'gzip' && codec !== 'zstd') throw unknownVersion('unknown codec', offset)
  if (!isObject(meta)) throw corrupt('meta is no object', offset)
  try {
    const header = { formatVersion: FORMAT_VERSION, sliceId: BigInt(sliceId), meta: decodeMeta(meta) }
    return { ...header, codec: codec satisfies Codec }
  } catch (error) {
    throw corrupt('meta cannot be read', offset, error)
  }
}

export function readTablePayload(payload: Buffer, offset: number): { name: string; columns: Column[] } {
  const { name, columns } = parseObject(payload, ['name', 'columns'], offset)
  if (typeof name !== 'string' || !Array.isArray(columns)) throw corrupt('a table has no name or columns', offset)
  try {
    return { name, columns: parseColumns(name, columns as unknown as Column[]).map(toColumn) }
  } catch (error) {
    throw unknownVersion(`table ${JSON.stringify(name)} has columns that this reader does not know`, offset, error)
  }
}

export function readSealPayload(payload: Buffer, offset: number): number {
  return checkCount(parseObject(payload, ['rows'], offset)['rows'], offset)
}

export function readBlobPayload(payload: Buffer, offset: number): BlobSummary {
  const { name, bytes } = parseObject(payload, ['name', 'bytes'], offset)
  if (typeof name !== 'string') throw corrupt('a blob has no name', offset)
  return { name, bytes: checkCount(bytes, offset) }
}

/** What a child hands to its parent of a finished slice: the stream's length in 8 bytes, then its trailer's payload. */
export function packTrailer({ bytes, rows, tables, blobs, values, checksum }: SliceTrailer): Buffer {
  const counts = { tables: tables.map((one) => [one.name, one.rows]), blobs: blobs.map((one) => [one.name, one.bytes]) }
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes))
  return Buffer.concat([length, Buffer.from(JSON.stringify({ rows, ...counts, values, checksum }))])
}

/** The inverse of `packTrailer`. Throws what `readTrailerPayload` throws. */
export function unpackTrailer(packed: Buffer): SliceTrailer {
  const bytes = checkCount(Number(packed.readBigUInt64LE(0)), 0)
  return { ...readTrailerPayload(packed.subarray(8), undefined, 0), bytes }
}

/** `chain` is the checksum that the stream before the trailer has, undefined if the stream is not here. */
export function readTrailerPayload(
  payload: Buffer,
  chain: number | undefined,
  offset: number,
): Omit<SliceTrailer, 'bytes'> {
  const json = parseObject(payload, ['rows', 'tables', 'blobs', 'values', 'checksum'], offset)
  const { values, checksum } = json
  if (!isObject(values)) throw corrupt('the values of the trailer are no object', offset)
  if (typeof checksum !== 'string') throw corrupt('the trailer has no checksum', offset)
  if (chain !== undefined && checksum !== hex32(chain))
    throw corrupt("the trailer's checksum is not that of the stream", offset)
  const tables = readCounts(json['tables'], offset).map(([name, rows]): TableSummary => ({ name, rows }))
  const blobs = readCounts(json['blobs'], offset).map(([name, bytes]): BlobSummary => ({ name, bytes }))
  const rows = checkCount(json['rows'], offset)
  if (tables.reduce((sum, table) => sum + table.rows, 0) !== rows) {
    throw corrupt('the row counts of the trailer do not add up', offset)
  }
  return { rows, tables, blobs, values, checksum }
}

function readCounts(json: JsonValue | undefined, offset: number): [string, number][] {
  if (!Array.isArray(json) || json.length > SECTIONS_MAX) throw corrupt('the trailer holds no list of counts', offset)
  return (json as JsonValue[]).map((entry) => {
    const [name, count] = Array.isArray(entry) ? (entry as JsonValue[]) : []
    if (typeof name !== 'string') throw corrupt('a count of the trailer has no name', offset)
    return [name, checkCount(count, offset)]
  })
}

function checkCount(value: JsonValue | undefined, offset: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw corrupt('a count is not a whole number of 0 or more', offset)
}

/** An object with exactly these keys: a key that is not known may change the meaning of the others. */
function parseObject(payload: Buffer, keys: readonly string[], offset: number): JsonObject {
  let json: JsonValue
  try {
    json = JSON.parse(payload.toString()) as JsonValue
  } catch (error) {
    throw corrupt('the frame is not JSON', offset, error)
  }
  if (!isObject(json)) throw corrupt('the frame is not a JSON object', offset)
  const unknown = Object.keys(json).find((key) => !keys.includes(key))
  if (unknown !== undefined) throw unknownVersion(`unknown field ${JSON.stringify(unknown)}`, offset)
  return json
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** For messages. */
export function frameName(type: FrameType): string {
  return Object.entries(FrameType).find(([, value]) => value === type)?.[0] ?? String(type)
}

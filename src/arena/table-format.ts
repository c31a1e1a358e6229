import { ForksnapError } from '../errors'
import { bytesOf, type TableSchema } from './columns'

/*
 * The blob of a table, all integers little-endian as they are in memory:
 *
 *   0  8  magic: 46 53 54 41 42 4c 45 0a ("FSTABLE\n")
 *   8  4  version, 1
 *  12  4  length of the JSON text
 *  16     JSON: { columns: [[name, kind], ...], chunkRows, end, length, free }
 *         for each chunk of chunkRows rows (the last one: of those that there are): the links, which are u32, and then each
 *         column, one value for each row
 *
 * `end` is the number of rows that were ever used, `length` of those in use. A row's link is 0 if it is in use, 1 if it is the last
 * one of the free list, and else 2 more than the number of the next free row; `free` is the link to the first free row.
 */

/** The link of a row that is in use, and that of the last free one. */
export const IN_USE = 0
export const NO_ROW = 1
/** A link to a row is its number and this. */
export const FIRST_LINK = 2
/** Links have 32 bits. */
export const ROWS_MAX = 2 ** 32 - FIRST_LINK
export const CHUNK_ROWS_MIN = 2 ** 10
export const CHUNK_ROWS_MAX = 2 ** 24

const MAGIC = Buffer.from('FSTABLE\n')
const VERSION = 1
export const PREFIX_BYTES = 16
const JSON_BYTES_MAX = 2 ** 20

export interface TableShape {
  readonly columns: readonly (readonly [name: string, kind: string])[]
  readonly chunkRows: number
  readonly end: number
  readonly length: number
  readonly free: number
}

export function encodeShape(shape: TableShape): Buffer {
  const json = Buffer.from(JSON.stringify(shape))
  const prefix = Buffer.alloc(PREFIX_BYTES)
  MAGIC.copy(prefix)
  prefix.writeUInt32LE(VERSION, 8)
  prefix.writeUInt32LE(json.length, 12)
  return Buffer.concat([prefix, json])
}

/** Checks the first bytes of a blob; returns the length of the JSON text that follows. */
export function checkPrefix(prefix: Buffer): number {
  if (!prefix.subarray(0, 8).equals(MAGIC)) {
    throw new ForksnapError('ERR_SCHEMA_MISMATCH', 'The blob is no table of an arena')
  }
  const version = prefix.readUInt32LE(8)
  if (version !== VERSION) {
    const message = `The table was written in version ${version} of its format, and this is ${VERSION}`
    throw new ForksnapError('ERR_SLICE_VERSION', `${message}: read it with the forksnap that wrote it`)
  }
  const bytes = prefix.readUInt32LE(12)
  if (bytes > JSON_BYTES_MAX) throw damaged(`its description has ${bytes} bytes`)
  return bytes
}

/** Checks that the blob is one of a table with these columns. */
export function readShape(json: string, schema: TableSchema, blobBytes: number): TableShape {
  const shape = parseShape(json)
  const saved = shape.columns.map(([name, kind]) => `${name}: ${kind}`).join(', ')
  const wanted = describeSchema(schema)
  if (saved !== wanted) {
    const message = `The saved table has the columns { ${saved} }, and the one to restore has { ${wanted} }`
    throw new ForksnapError('ERR_SCHEMA_MISMATCH', message)
  }
  const { chunkRows, end, length } = shape
  const isSize = Number.isInteger(Math.log2(chunkRows)) && chunkRows >= CHUNK_ROWS_MIN && chunkRows <= CHUNK_ROWS_MAX
  if (!isSize) throw damaged(`its chunks have ${chunkRows} rows`)
  if (!Number.isInteger(end) || end < 0 || end > ROWS_MAX) throw damaged(`it ends at row ${end}`)
  if (!Number.isInteger(length) || length < 0 || length > end) throw damaged(`${length} of its ${end} rows are in use`)
  const bytes = PREFIX_BYTES + Buffer.byteLength(json) + end * rowBytes(schema)
  if (bytes !== blobBytes) throw damaged(`it has ${blobBytes} bytes instead of ${bytes}`)
  return shape
}

function parseShape(json: string): TableShape {
  try {
    const shape = JSON.parse(json) as TableShape
    const { chunkRows, end, length, free } = shape
    const isNamed = shape.columns.every((one) => one.length === 2 && one.every((part) => typeof part === 'string'))
    if (isNamed && [chunkRows, end, length, free].every((value) => typeof value === 'number')) return shape
  } catch {
    // It is no JSON, or something else than the description of a table.
  }
  throw damaged('its description cannot be read')
}

function describeSchema(schema: TableSchema): string {
  const columns = Object.entries(schema)
  return columns.map(([name, kind]) => `${name}: ${kind}`).join(', ')
}

/** Of a row, its link included. */
function rowBytes(schema: TableSchema): number {
  return Object.values(schema).reduce((sum, kind) => sum + bytesOf(kind), bytesOf('u32'))
}

export function damaged(what: string): ForksnapError {
  return new ForksnapError('ERR_SLICE_CORRUPT', `The saved table contradicts itself: ${what}`)
}

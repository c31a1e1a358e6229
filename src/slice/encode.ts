import { type BaseType, type ColumnSpec, quote } from './columns'
import { ForksnapError } from '../errors'
import { encodeFloat4, encodeFloat8, encodeInt2, encodeInt4, encodeInt8 } from './encode-integer'
import { encodeNumeric } from './encode-numeric'
import { encodeBytea, encodeJson, encodeText, encodeUuid, encodeVarchar } from './encode-text'
import { encodeDate, encodeTimestamp } from './encode-time'
import type { RowBuffer } from './row-buffer'

/**
 * Values become fields of PostgreSQL's COPY text format. There is one plain function per type, shared by all tables and
 * by the warm-up, so that what V8 learns about it anywhere serves everywhere. Each writes its field and a tab; the end of
 * the row turns the last tab into a line feed.
 */
export type Encode = (out: RowBuffer, value: unknown, column: ColumnEncoder) => void

/** A column as the encoders see it: what they must know, in one shape. */
export class ColumnEncoder {
  readonly encode: Encode
  readonly integerDigits: number
  readonly fractionDigits: number
  readonly bounded: boolean
  readonly asNumber: boolean
  readonly length: number
  readonly base: BaseType

  constructor(
    private readonly table: TableRows,
    readonly spec: ColumnSpec,
  ) {
    this.encode = ENCODERS[spec.base]
    this.integerDigits = spec.integerDigits
    this.fractionDigits = spec.fractionDigits
    this.bounded = spec.bounded
    this.asNumber = spec.asNumber
    this.length = spec.length
    this.base = spec.base
  }

  /** Throws `ERR_INVALID_VALUE`. The value itself stays out of the message: slices hold everything, logs should not. */
  refuse(problem: string, cause?: unknown): never {
    const { name: table, rowCount } = this.table
    const row = rowCount + 1
    const where = `Table ${quote(table)}, row ${row}, column ${quote(this.spec.name)} (${this.spec.type})`
    const details = { table, row, column: this.spec.name, cause }
    throw new ForksnapError('ERR_INVALID_VALUE', `${where}: the value ${problem}`, details)
  }

  refuseType(value: unknown, expected: string): never {
    const type = value === null ? 'null' : Array.isArray(value) ? 'an array' : `of type ${typeof value}`
    this.refuse(`is ${type}, expected ${expected} or null`)
  }

  /** For a row that would be longer than a frame. */
  refuseRoom(): never {
    this.refuse('makes the row longer than 64 MiB: write it as a blob')
  }
}

/** What an encoder must know of its table to name a row. */
export interface TableRows {
  readonly name: string
  /** Whole rows so far. */
  readonly rowCount: number
}

const ENCODERS: { readonly [T in BaseType]: Encode } = {
  bool: encodeBool,
  int2: encodeInt2,
  int4: encodeInt4,
  int8: encodeInt8,
  float4: encodeFloat4,
  float8: encodeFloat8,
  text: encodeText,
  varchar: encodeVarchar,
  numeric: encodeNumeric,
  timestamp: encodeTimestamp,
  timestamptz: encodeTimestamp,
  date: encodeDate,
  bytea: encodeBytea,
  json: encodeJson,
  jsonb: encodeJson,
  uuid: encodeUuid,
}

/** Writes `\N`, COPY's NULL. */
export function encodeNull(out: RowBuffer, column: ColumnEncoder): void {
  if (!out.reserve(3)) column.refuseRoom()
  const { bytes, pos } = out
  bytes[pos] = 92
  bytes[pos + 1] = 78
  bytes[pos + 2] = 9
  out.pos = pos + 3
}

function encodeBool(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (typeof value !== 'boolean') column.refuseType(value, 'a boolean')
  if (!out.reserve(2)) column.refuseRoom()
  const { bytes, pos } = out
  bytes[pos] = value ? 116 : 102
  bytes[pos + 1] = 9
  out.pos = pos + 2
}

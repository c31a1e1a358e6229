import { ForksnapError } from '../errors'
import { COLUMNS_MAX, NAME_BYTES_MAX } from './format'
import { hasLoneSurrogate } from './json'
import type { Column, ColumnType } from './types'

/** Names and types of columns, as the writer checks them before it writes and the reader before it reads. */

/** A type without its arguments. */
export type BaseType = 'varchar' | Exclude<ColumnType, `varchar(${number})` | `numeric(${number},${number})`>

export interface ColumnSpec {
  readonly name: string
  /** The type in its one spelling, without spaces. */
  readonly type: ColumnType
  readonly base: BaseType
  /** varchar: most code points. */
  readonly length: number
  /** numeric: most digits before and after the point; the type without arguments has PostgreSQL's own limits. */
  readonly integerDigits: number
  readonly fractionDigits: number
  /** Whether the type is numeric(p,s), which holds NaN but no infinity. */
  readonly bounded: boolean
  /** int8 that reads back as a number, so that only the safe range fits. */
  readonly asNumber: boolean
}

const PLAIN_TYPES: ReadonlySet<string> = new Set<BaseType>([
  'bool',
  'int2',
  'int4',
  'int8',
  'float4',
  'float8',
  'text',
  'numeric',
  'timestamp',
  'timestamptz',
  'date',
  'bytea',
  'json',
  'jsonb',
  'uuid',
])

const VARCHAR_LENGTH_MAX = 10_485_760
const PRECISION_MAX = 1000
const NUMERIC_INTEGER_DIGITS = 131_072
const NUMERIC_FRACTION_DIGITS = 16_383

/** Throws `ERR_INVALID_VALUE` for a name that PostgreSQL could not hold. `kind` says what it is the name of. */
export function checkName(kind: string, name: unknown, details: { table?: string; column?: string } = {}): void {
  const problem = nameProblem(name)
  if (problem === undefined) return
  throw new ForksnapError('ERR_INVALID_VALUE', `The name of a ${kind} ${problem}`, details)
}

function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string') return `must be a string, not of type ${typeof name}`
  if (name === '') return 'must not be empty'
  if (name.includes('\0')) return 'must not contain NUL'
  if (hasLoneSurrogate(name)) return 'must not contain a lone surrogate'
  const bytes = Buffer.byteLength(name)
  return bytes > NAME_BYTES_MAX ? `has ${bytes} bytes of UTF-8, more than ${NAME_BYTES_MAX}` : undefined
}

/** Checks a table's columns. Throws `ERR_INVALID_VALUE` naming table and column. */
export function parseColumns(table: string, columns: readonly Column[]): ColumnSpec[] {
  if (!Array.isArray(columns) || columns.length === 0 || columns.length > COLUMNS_MAX) {
    throw new ForksnapError('ERR_INVALID_VALUE', `Table ${quote(table)} must have 1 to ${COLUMNS_MAX} columns`, {
      table,
    })
  }
  const seen = new Set<string>()
  return columns.map((column: Column) => {
    const spec = parseColumn(table, column)
    if (seen.has(spec.name)) throw refuseColumn(table, spec.name, 'is declared twice')
    seen.add(spec.name)
    return spec
  })
}

function parseColumn(table: string, column: Column): ColumnSpec {
  if (!Array.isArray(column) || column.length < 2 || column.length > 3) {
    throw new ForksnapError('ERR_INVALID_VALUE', `A column of table ${quote(table)} is not [name, type, options?]`, {
      table,
    })
  }
  const [name, type, options] = column as Column
  checkName(`column of table ${quote(table)}`, name, typeof name === 'string' ? { table, column: name } : { table })
  const parsed = typeof type === 'string' ? parseType(type.replace(/\s/g, '')) : undefined
  if (parsed === undefined) throw refuseColumn(table, name, `has a type that slices do not know: ${String(type)}`)
  return { name, ...parsed, asNumber: parseAs(table, name, parsed.base, options) }
}

function parseAs(table: string, name: string, base: BaseType, options: unknown): boolean {
  if (options === undefined) return false
  const entries = typeof options === 'object' && options !== null ? Object.entries(options) : [['', options]]
  for (const [key, value] of entries) {
    if (key !== 'as' || (value !== 'number' && value !== 'bigint' && value !== undefined)) {
      throw refuseColumn(table, name, "has an unknown option: only { as: 'number' } and { as: 'bigint' } exist")
    }
    if (base !== 'int8') throw refuseColumn(table, name, `is ${base}: the option 'as' belongs to int8`)
  }
  return entries.some(([, value]) => value === 'number')
}

type ParsedType = Omit<ColumnSpec, 'name' | 'asNumber'>

function parseType(type: string): ParsedType | undefined {
  const unlimited = { integerDigits: NUMERIC_INTEGER_DIGITS, fractionDigits: NUMERIC_FRACTION_DIGITS, bounded: false }
  const plain = { length: Infinity, ...unlimited }
  if (PLAIN_TYPES.has(type)) return { type: type as ColumnType, base: type as BaseType, ...plain }
  const [, kind, first = '', second] = /^(varchar|numeric)\((\d{1,8})(?:,(\d{1,4}))?\)$/.exec(type) ?? []
  const size = Number(first)
  if (kind === 'varchar' && second === undefined && size >= 1 && size <= VARCHAR_LENGTH_MAX) {
    return { type: `varchar(${size})`, base: 'varchar', ...plain, length: size }
  }
  const scale = Number(second)
  if (kind === 'numeric' && size >= 1 && size <= PRECISION_MAX && scale <= size) {
    const digits = { integerDigits: size - scale, fractionDigits: scale, bounded: true }
    return { type: `numeric(${size},${scale})`, base: 'numeric', length: Infinity, ...digits }
  }
  return undefined
}

/** The column as it is declared in the stream. */
export function toColumn(spec: ColumnSpec): Column {
  return spec.asNumber ? [spec.name, spec.type, { as: 'number' }] : [spec.name, spec.type]
}

function refuseColumn(table: string, column: string, problem: string): ForksnapError {
  const message = `Column ${quote(column)} of table ${quote(table)} ${problem}`
  return new ForksnapError('ERR_INVALID_VALUE', message, { table, column })
}

export function quote(name: string): string {
  return JSON.stringify(name)
}

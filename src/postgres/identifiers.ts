import { ForksnapError } from '../errors'
import { NAME_BYTES_MAX } from '../slice/format'
import { hasLoneSurrogate } from '../slice/json'

/** A table by its schema and its own name, both as they are, unquoted. */
export interface TableName {
  /** Its schema, 1 to 63 bytes of UTF-8 without NUL. */
  readonly schema: string
  /** Its own name, 1 to 63 bytes of UTF-8 without NUL. */
  readonly name: string
}

/**
 * Quotes a name for SQL, so that no name can end the quotation or mean something else. Throws `ERR_INVALID_VALUE` for
 * what PostgreSQL would refuse or, worse, cut short: names that are empty, hold a NUL or are longer than 63 bytes.
 */
export function quoteIdentifier(name: string): string {
  const bytes = typeof name === 'string' ? Buffer.byteLength(name) : 0
  if (bytes === 0 || bytes > NAME_BYTES_MAX || name.includes('\0') || hasLoneSurrogate(name)) {
    const message = `The name ${JSON.stringify(name)} cannot be used in SQL: it must have 1 to ${NAME_BYTES_MAX} bytes of UTF-8 without NUL`
    throw new ForksnapError('ERR_INVALID_VALUE', message)
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** Quotes a table's name together with its schema, so that no search path decides which table is meant. */
export function quoteTable({ schema, name }: TableName): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

/**
 * Reads a table's name as options give it: `table` or `schema.table`, with no quotes in the text. A name that itself
 * holds a dot is given as `{ schema, name }`. Throws `ERR_INVALID_ARGUMENT`.
 */
export function parseTableName(option: string, value: unknown, defaultSchema: string): TableName {
  const parts = typeof value === 'string' ? value.split('.') : undefined
  const given = value as Partial<TableName> | null
  const table =
    parts !== undefined && parts.length <= 2
      ? { schema: parts.length === 2 ? parts[0] : defaultSchema, name: parts.at(-1) ?? '' }
      : { schema: given?.schema ?? defaultSchema, name: given?.name ?? '' }
  try {
    quoteTable(table)
    return table
  } catch (cause) {
    const message = `${option} must be the name of a table: "table", "schema.table" or { schema, name }`
    throw new ForksnapError('ERR_INVALID_ARGUMENT', message, { cause })
  }
}

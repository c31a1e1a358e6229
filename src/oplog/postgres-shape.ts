import { ForksnapError } from '../errors'
import { createMissing } from '../postgres/ddl'
import { storageProblem, type TableKind } from '../postgres/durable-table'
import { quoteTable, type TableName } from '../postgres/identifiers'
import type { Session } from '../postgres/session'
import { METHOD_BYTES_MAX } from './operation'

/** The log's tables: how they are created, and what an existing one must be like to keep a log safely. */

/**
 * One row for each log that was ever reset: the position after which it began anew, since an empty table tells no id.
 */
export function stateTable({ schema }: TableName): TableName {
  return { schema, name: 'forksnap_log' }
}

export async function createTables(session: Session, table: TableName): Promise<void> {
  await createMissing(session, [
    { table, columns: 'id bigint PRIMARY KEY, "time" timestamp NOT NULL, method text NOT NULL, params text NOT NULL' },
    { table: stateTable(table), columns: 'name text PRIMARY KEY, position bigint NOT NULL' },
  ])
}

interface ColumnRow {
  readonly name: string
  readonly type: string
  /** Characters that a varchar holds; -1 for no limit. */
  readonly limit: number
  readonly needed: boolean
}

interface TableRow extends TableKind {
  readonly [column: string]: unknown
  readonly unique: boolean
}

const TABLE = `
  SELECT c.relkind AS kind, c.relpersistence AS persistence,
         EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                  WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
                    AND i.indnkeyatts = 1 AND a.attname = 'id') AS unique
    FROM pg_class c WHERE c.oid = to_regclass($1)`

const COLUMNS = `
  SELECT attname AS name, format_type(atttypid, NULL) AS type,
         CASE WHEN atttypmod > 4 THEN atttypmod - 4 ELSE -1 END AS limit,
         attnotnull AND NOT atthasdef AND attidentity = '' AS needed
    FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`

const TEXT = ['text', 'character varying']
const TYPES: { readonly [column: string]: readonly string[] } = {
  id: ['bigint'],
  time: ['timestamp without time zone', 'timestamp with time zone'],
  method: TEXT,
  params: TEXT,
}

/** Rejects with `ERR_INVALID_ARGUMENT` and the reason if a log in this table could lose, double or alter an entry. */
export async function checkShape(session: Session, table: TableName): Promise<void> {
  const name = quoteTable(table)
  const described = await session.query<TableRow>('look at the log table', TABLE, [name])
  const columns = await session.query<ColumnRow>('look at the log table', COLUMNS, [name])
  const problem = tableProblem(described.rows[0]) ?? columnProblem(columns.rows)
  if (problem === undefined) return
  throw new ForksnapError('ERR_INVALID_ARGUMENT', `The table ${name} cannot keep an operation log: ${problem}`)
}

function tableProblem(row: TableRow): string | undefined {
  const problem = storageProblem(row)
  if (problem !== undefined) return problem
  return row.unique ? undefined : 'id has no primary key or unique index, so an entry could be doubled; add one'
}

function columnProblem(columns: readonly ColumnRow[]): string | undefined {
  for (const [name, types] of Object.entries(TYPES)) {
    const column = columns.find((found) => found.name === name)
    if (column === undefined) return `it has no column ${name}`
    if (!types.includes(column.type)) return `${name} is of type ${column.type}, it must be ${types.join(' or ')}`
    const least = name === 'method' ? METHOD_BYTES_MAX : Infinity
    if (types === TEXT && column.limit >= 0 && column.limit < least)
      return `${name} holds ${column.limit} characters only`
  }
  const foreign = columns.find(({ name, needed }) => needed && TYPES[name] === undefined)
  return (
    foreign && `its column ${JSON.stringify(foreign.name)} must have a value, and the log knows none; give it a default`
  )
}

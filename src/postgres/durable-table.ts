import { ForksnapError } from '../errors'
import { createMissing, type NewTable } from './ddl'
import { quoteTable, type TableName } from './identifiers'
import type { Session } from './session'

/** What kind of a table it is, in the letters of `pg_class`. */
export interface TableKind {
  readonly kind: string
  readonly persistence: string
}

/** Why a table does not keep what is written into it, as a sentence about "it"; undefined if it does. */
export function storageProblem({ kind, persistence }: TableKind): string | undefined {
  if (kind !== 'r') return 'it is no ordinary table'
  return persistence === 'p'
    ? undefined
    : 'it is unlogged or temporary, so a crash of the server empties it; SET LOGGED'
}

/** A table that is partitioned holds nothing itself: its partitions do. */
const KINDS = `
  SELECT c.relkind AS kind, c.relpersistence AS persistence FROM pg_class c
   WHERE c.relkind <> 'p' AND (c.oid = to_regclass($1) OR c.oid IN (SELECT relid FROM pg_partition_tree(to_regclass($1))))`

/** The same for a table at the server, with all its partitions. */
export async function findStorageProblem(session: Session, table: TableName): Promise<string | undefined> {
  const doing = `look at the table ${table.name}`
  const { rows } = await session.query<TableKind & Record<string, unknown>>(doing, KINDS, [quoteTable(table)])
  return rows.map(storageProblem).find((problem) => problem !== undefined)
}

/** Rejects with `ERR_INVALID_ARGUMENT` for a table of our own that somebody else has made, and that loses what it holds. */
async function assertDurable(session: Session, table: TableName): Promise<void> {
  const problem = await findStorageProblem(session, table)
  if (problem === undefined) return
  throw new ForksnapError('ERR_INVALID_ARGUMENT', `The table ${quoteTable(table)} cannot be used: ${problem}`)
}

/** Creates tables of our own that are missing. One that a crash of the server would empty is refused, as above. */
export async function createDurable(session: Session, tables: readonly NewTable[]): Promise<void> {
  await createMissing(session, tables)
  for (const { table } of tables) await assertDurable(session, table)
}

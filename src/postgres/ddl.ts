import { quoteTable, type TableName } from './identifiers'
import type { Session } from './session'

/** One number for all that creates tables here: two who create the same table at once would both fail. */
const CREATING = '8101814532187014145'

/** Whether a table is there. */
export async function tableExists(session: Session, table: TableName): Promise<boolean> {
  const doing = `look for the table ${table.name}`
  const { rows } = await session.query(doing, 'SELECT to_regclass($1) IS NOT NULL AS found', [quoteTable(table)])
  return (rows[0] as { found: boolean }).found
}

export interface NewTable {
  readonly table: TableName
  /** What stands between the parentheses of CREATE TABLE. */
  readonly columns: string
  /** Statements that follow the creation, such as those for indexes. */
  readonly after?: readonly string[]
}

/** Creates what is missing, all or nothing. A role without the right to create gets by if everything is there. */
export async function createMissing(session: Session, tables: readonly NewTable[]): Promise<void> {
  const missing: NewTable[] = []
  for (const entry of tables) if (!(await tableExists(session, entry.table))) missing.push(entry)
  if (missing.length === 0) return
  await session.transaction('create tables', async () => {
    await session.query('create tables', 'SELECT pg_advisory_xact_lock($1)', [CREATING])
    for (const { table, columns, after = [] } of missing) {
      if (await tableExists(session, table)) continue
      await session.query(`create the table ${table.name}`, `CREATE TABLE ${quoteTable(table)} (${columns})`)
      for (const statement of after) await session.query(`create the table ${table.name}`, statement)
    }
  })
}

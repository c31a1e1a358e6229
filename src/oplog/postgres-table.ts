import { ForksnapError } from '../errors'
import { epochTable, type Owner, type OwnerOptions } from '../postgres/epoch'
import { quoteTable, type TableName } from '../postgres/identifiers'
import type { Session } from '../postgres/session'
import { encodeColumns, type Columns } from './postgres-batch'
import type { Group } from './pending'
import { stateTable } from './postgres-shape'

/**
 * The statements that change the log's table. Each is one transaction of its own: it takes the owner's row of the epoch
 * table `FOR SHARE`, so that nobody can take over until it is committed, and changes nothing if the epoch is another one.
 * One statement is one round trip, and there is never a transaction that is open while this process is not running.
 */

/** Where the table is and whose it is. */
export interface LogTable {
  readonly table: TableName
  readonly owner: Pick<Owner, 'epoch' | 'check'>
  readonly ownerOptions: OwnerOptions
}

/** The ends of what the table holds. */
export interface Ends {
  /** Null in an empty table. */
  readonly first: bigint | null
  /** The newest entry, or in an empty table the position after which the log begins. */
  readonly last: bigint
}

/** `$1` and `$2` of every statement with it. */
function ownerRow({ ownerOptions }: LogTable): string {
  const epochs = quoteTable(epochTable(ownerOptions.schema))
  return `owner AS (SELECT FROM ${epochs} WHERE name = $1 AND epoch = $2 FOR SHARE)`
}

function ownerValues({ owner, ownerOptions }: LogTable): unknown[] {
  return [ownerOptions.name, String(owner.epoch)]
}

/** Adds a group's entries, all or none, and resolves when they are committed. */
export async function insertGroup(session: Session, log: LogTable, group: Group<Columns>): Promise<void> {
  const text = `
    WITH ${ownerRow(log)}
    INSERT INTO ${quoteTable(log.table)} (id, "time", method, params)
    SELECT $3::bigint + e.n - 1, e.at, e.method, e.params
      FROM owner, unnest($4::timestamp[], $5::text[], $6::text[]) WITH ORDINALITY AS e(at, method, params, n)`
  const values = [...ownerValues(log), String(group.firstId), ...encodeColumns(group.batch)]
  const { rowCount } = await session.query(`append the entries ${span(group)}`, text, values)
  if (rowCount === group.entries) return
  await checkOwner(session, log)
  const message = `Of the entries ${span(group)} the table took ${rowCount ?? 0}; remove the trigger or rule that stands before it`
  throw new ForksnapError('ERR_LOG_FAILED', message)
}

/**
 * Whether a group is in the table already, which it is if a COMMIT succeeded whose answer was lost. There is a third
 * possibility, that neither it nor what comes before it is there: a server that was set back. It rejects then.
 */
export async function isInTable(session: Session, log: LogTable, group: Group<Columns>): Promise<boolean> {
  const { last } = await readEnds(session, log.table, log.ownerOptions.name)
  if (last === group.firstId - 1n) return false
  if (last < group.firstId) throw setBackError(last, group.firstId - 1n)
  const text = `
    SELECT count(*)::int AS same
      FROM unnest($2::timestamp[], $3::text[], $4::text[]) WITH ORDINALITY AS e(at, method, params, n)
      JOIN ${quoteTable(log.table)} t ON t.id = $1::bigint + e.n - 1
     WHERE t.id BETWEEN $1 AND $5 AND t."time" = e.at AND t.method = e.method AND t.params = e.params`
  const values = [String(group.firstId), ...encodeColumns(group.batch), String(group.lastId)]
  const { rows } = await session.query<{ same: number }>(`look for the entries ${span(group)}`, text, values)
  if (last === group.lastId && rows[0].same === group.entries) return true
  throw foreignError(last, `others than ${span(group)}`)
}

/** Rejects if the table does not end with the entry that is known to be the last: with it nothing else is under way. */
export async function checkLast(session: Session, log: LogTable, durableId: bigint): Promise<void> {
  const { last } = await readEnds(session, log.table, log.ownerOptions.name)
  if (last < durableId) throw setBackError(last, durableId)
  if (last > durableId) throw foreignError(last, `entries after ${durableId} that are not this log's`)
}

function setBackError(last: bigint, confirmed: bigint): ForksnapError {
  const message = `The server has lost the entries ${last + 1n} to ${confirmed}, which it had confirmed: see whether it was restored or a standby took its place`
  return new ForksnapError('ERR_LOG_GAP', message)
}

function foreignError(last: bigint, holds: string): ForksnapError {
  const message = `The table ends at entry ${last} and holds ${holds}: another process writes into it; end one of them`
  return new ForksnapError('ERR_FENCED', message)
}

/** The ends of the log by the indexes alone, without looking whether all between them is there. */
export async function readEnds(session: Session, table: TableName, name: string): Promise<Ends> {
  const text = `SELECT min(id) AS first, max(id) AS last, (SELECT position FROM ${quoteTable(stateTable(table))} WHERE name = $1) AS base FROM ${quoteTable(table)}`
  const { rows } = await session.query<EndsRow>('find the ends of the log', text, [name])
  const { first, last, base } = rows[0]
  return { first: first === null ? null : BigInt(first), last: BigInt(last ?? base ?? 0) }
}

interface EndsRow {
  readonly first: string | null
  readonly last: string | null
  readonly base: string | null
}

/** Rejects with `ERR_LOG_GAP` if an entry between the ends is missing, `ERR_LOG_CORRUPT` for ids that no log gives. */
export async function checkContiguous(session: Session, table: TableName, { first, last }: Ends): Promise<void> {
  if (first === null) return
  if (first < 1n) {
    throw new ForksnapError('ERR_LOG_CORRUPT', `The log ${quoteTable(table)} has an entry ${first}; ids begin with 1`)
  }
  const doing = 'count the entries of the log'
  const counted = await session.queryLong<{ n: string }>(doing, `SELECT count(*) AS n FROM ${quoteTable(table)}`)
  if (BigInt(counted.rows[0].n) === last - first + 1n) return
  const text = `
    SELECT id, next FROM (SELECT id, lead(id) OVER (ORDER BY id) AS next FROM ${quoteTable(table)}) AS entry
     WHERE next > id + 1 ORDER BY id LIMIT 1`
  const { rows } = await session.queryLong<{ id: string; next: string }>(doing, text)
  throw gapError(BigInt(rows[0]?.id ?? last) + 1n, BigInt(rows[0]?.next ?? last) - 1n)
}

export function gapError(from: bigint, to: bigint): ForksnapError {
  const which = to > from ? `Entries ${from} to ${to} are` : `Entry ${from} is`
  const message = `${which} missing in the log; restore the log from a copy, or name the table that holds all of it`
  return new ForksnapError('ERR_LOG_GAP', message)
}

/** Removes the entries from `from` to `to` in one transaction. */
export async function deleteRange(session: Session, log: LogTable, from: bigint, to: bigint): Promise<void> {
  const text = `WITH ${ownerRow(log)} DELETE FROM ${quoteTable(log.table)} t USING owner WHERE t.id BETWEEN $3 AND $4`
  const values = [...ownerValues(log), String(from), String(to)]
  const { rowCount } = await session.queryLong('prune the log', text, values)
  if (rowCount === 0) await checkOwner(session, log)
}

/** Empties the table and notes where the log begins anew, in one transaction. */
export async function emptyTable(session: Session, log: LogTable, position: bigint): Promise<void> {
  await session.transaction('reset the log', async () => {
    await log.owner.check(session)
    await session.query('reset the log', `TRUNCATE ${quoteTable(log.table)}`)
    const text = `
      INSERT INTO ${quoteTable(stateTable(log.table))} (name, position) VALUES ($1, $2)
      ON CONFLICT (name) DO UPDATE SET position = excluded.position`
    await session.query('reset the log', text, [log.ownerOptions.name, String(position)])
  })
}

/** Rejects with `ERR_FENCED` if this process is no longer the log's owner. */
export async function checkOwner(session: Session, { owner }: LogTable): Promise<void> {
  await session.transaction('look at the epoch', () => owner.check(session))
}

function span({ firstId, lastId }: Group<Columns>): string {
  return firstId === lastId ? String(firstId) : `${firstId} to ${lastId}`
}

import { ForksnapError } from '../errors'
import { tableExists } from '../postgres/ddl'
import { quoteTable, type TableName } from '../postgres/identifiers'
import type { Session } from '../postgres/session'
import type { JsonValue } from '../slice/types'
import { timestampToMs } from '../slice/time'
import type { LogEntry } from './oplog'
import { stateTable } from './postgres-shape'
import { type Ends, gapError, readEnds } from './postgres-table'

/**
 * Reads the log in pages, each a query of its own that begins after the last id. A page is bounded in entries and in
 * bytes, so that neither many entries nor large ones need much memory; there is one page ahead of the one in use.
 */
const PAGE_ENTRIES = 2_000n
const PAGE_BYTES = 4 * 1024 * 1024

interface EntryRow {
  readonly id: string
  readonly time: string | null
  readonly method: string | null
  readonly params: string | null
}

/**
 * The range is of ids, which are contiguous, and not a LIMIT: the planner, who does not know that of a table without
 * statistics, may sort all that is left of the log for each page. The lengths are known without fetching or unpacking
 * what is long, so only what the page gives is read in full.
 */
function pageQuery(table: TableName): string {
  return `
    SELECT id, time, method, params FROM (
      SELECT id, "time"::text AS time, method, params, row_number() OVER upto AS n,
             sum(octet_length(method) + octet_length(params)) OVER upto AS bytes
        FROM ${quoteTable(table)} WHERE id > $1 AND id <= $2
      WINDOW upto AS (ORDER BY id ROWS UNBOUNDED PRECEDING)
    ) AS entry WHERE n = 1 OR bytes <= ${PAGE_BYTES} ORDER BY id`
}

/** Entries after `position` up to `end`, every one of them: `ERR_LOG_GAP` if one is missing, `ERR_LOG_CORRUPT` for damage. */
export async function* readPages(
  session: Session,
  table: TableName,
  position: bigint,
  end: bigint,
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  const text = pageQuery(table)
  const fetch = async (after: bigint): Promise<EntryRow[]> => {
    if (after >= end) return []
    const upTo = after + PAGE_ENTRIES < end ? after + PAGE_ENTRIES : end
    return (await session.queryLong<EntryRow>('read the log', text, [String(after), String(upTo)])).rows
  }
  // The same lack of statistics must not lead to a scan of the whole table.
  await session.query('read the log', 'SET enable_seqscan = off')
  let last = position
  let next = fetch(last)
  while (last < end) {
    const rows = await next
    if (rows.length === 0) throw gapError(last + 1n, (await nextId(session, table, last, end)) - 1n)
    const entries = decodeRows(rows, last)
    last += BigInt(entries.length)
    next = fetch(last)
    next.catch(() => undefined) // Whoever asks for the page hears of it; nobody may.
    yield entries
  }
}

/** The first id after `last`; the one after the end if there is none. */
async function nextId(session: Session, table: TableName, last: bigint, end: bigint): Promise<bigint> {
  const text = `SELECT min(id) AS next FROM ${quoteTable(table)} WHERE id > $1`
  const { rows } = await session.query<{ next: string | null }>('read the log', text, [String(last)])
  const next = rows[0].next
  return next === null ? end + 1n : BigInt(next)
}

/** Where a log ends that this process may not have started; a table that is not there is an empty log. */
export async function findEnds(session: Session, table: TableName, name: string): Promise<Ends> {
  if (!(await tableExists(session, table))) return { first: null, last: 0n }
  if (await tableExists(session, stateTable(table))) return readEnds(session, table, name)
  const text = `SELECT min(id) AS first, max(id) AS last FROM ${quoteTable(table)}`
  const { rows } = await session.query<{ first: string | null; last: string | null }>('find the ends of the log', text)
  const { first, last } = rows[0]
  return { first: first === null ? null : BigInt(first), last: BigInt(last ?? 0) }
}

function decodeRows(rows: readonly EntryRow[], last: bigint): LogEntry[] {
  return rows.map((row, index) => {
    const id = BigInt(row.id)
    const expected = last + BigInt(index) + 1n
    if (id !== expected) throw gapError(expected, id - 1n)
    return decodeRow(id, row)
  })
}

function decodeRow(id: bigint, { time, method, params }: EntryRow): LogEntry {
  const ms = time === null ? NaN : timestampToMs(time)
  if (!Number.isFinite(ms)) throw corruptError(id, `its time is ${time}`)
  if (method === null || method === '') throw corruptError(id, 'it has no method')
  if (params === null) throw corruptError(id, 'it has no params')
  try {
    return { id, time: ms, method, params: JSON.parse(params) as JsonValue }
  } catch (cause) {
    throw corruptError(id, 'its params are no JSON', cause)
  }
}

function corruptError(id: bigint, problem: string, cause?: unknown): ForksnapError {
  const message = `Entry ${id} of the log is damaged: ${problem}; nothing after it was read. Restore the log from a copy`
  // JSON.parse quotes what it could not parse; the position is all that may be told.
  const position = cause instanceof Error ? /position (\d+)/.exec(cause.message)?.[1] : undefined
  return new ForksnapError('ERR_LOG_CORRUPT', message, position === undefined ? {} : { offset: Number(position) })
}

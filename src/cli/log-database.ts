import { findEnds } from '../oplog/postgres-reader'
import { checkLogOptions, type CheckedLogOptions } from '../oplog/postgres-options'
import { PostgresOperationLog } from '../oplog/postgres'
import type { LogEntry } from '../oplog/oplog'
import { plainConnection } from '../postgres/connection'
import { Session } from '../postgres/session'
import type { LogOptions } from './log-place'
import type { Place } from './place'

export interface LogEnds {
  readonly firstId: bigint
  readonly lastId: bigint
  readonly entries: bigint
}

function optionsOf({ path }: Place, { table }: LogOptions) {
  return { connection: path, ...(table === undefined ? {} : { table }) }
}

/** Undefined if there is no log or nothing in it. */
export async function databaseLogEnds(place: Place, options: LogOptions): Promise<LogEnds | undefined> {
  const checked: CheckedLogOptions = checkLogOptions(optionsOf(place, options))
  const { connection, answerMs, table } = checked
  const session = await Session.open(await plainConnection(connection), 'forksnap', answerMs)
  try {
    const { first, last } = await findEnds(session, table, `log:${table.name}`)
    return first === null ? undefined : { firstId: first, lastId: last, entries: last - first + 1n }
  } finally {
    await session.close()
  }
}

/** Entries after one of them, or all that there are. */
export async function databaseEntries(
  place: Place,
  options: LogOptions,
  after: bigint | undefined,
): Promise<AsyncIterable<readonly LogEntry[]> | undefined> {
  const ends = await databaseLogEnds(place, options)
  return ends && new PostgresOperationLog(optionsOf(place, options)).read(after ?? ends.firstId - 1n)
}

/** Reads every entry. Throws `ERR_LOG_GAP` if one is missing, `ERR_LOG_CORRUPT` for what cannot be read. */
export async function verifyDatabaseLog(place: Place, options: LogOptions): Promise<LogEnds | undefined> {
  const ends = await databaseLogEnds(place, options)
  if (ends === undefined) return undefined
  let entries = 0n
  let lastId = ends.firstId - 1n
  for await (const batch of (await databaseEntries(place, options, lastId)) ?? []) {
    entries += BigInt(batch.length)
    lastId = batch.at(-1)?.id ?? lastId
  }
  return { firstId: ends.firstId, lastId, entries }
}

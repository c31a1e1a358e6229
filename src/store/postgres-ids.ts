import { quoteTable } from '../postgres/identifiers'
import type { Session } from '../postgres/session'
import { catalogueTable, historyTable, type Layout } from './postgres-layout'

/** So many are reserved at a time. */
const SPOOL_IDS = 10_000n

/** Ids that can be given while the database is away; no other store of the schema gets them. */
export class SpoolIds {
  readonly #layout: Layout
  #next = 1n
  #end = 1n

  constructor(layout: Layout) {
    this.#layout = layout
  }

  async reserve(session: Session): Promise<void> {
    this.#next = await raiseIds(session, this.#layout, 0n, SPOOL_IDS)
    this.#end = this.#next + SPOOL_IDS
  }

  /** Connects only if none are left. */
  async take(connect: () => Promise<Session>): Promise<bigint> {
    if (this.#next >= this.#end) await this.reserve(await connect())
    return this.#next++
  }
}

/**
 * Moves the sequence of slice ids past every id in use, past `above`, and past `count` more, which are the caller's: it
 * resolves with the first of them. Under a lock, so that two who do this do not get the same ones.
 */
export async function raiseIds(session: Session, layout: Layout, above: bigint, count = 0n): Promise<bigint> {
  const [catalogue, history] = [catalogueTable(layout), historyTable(layout)].map(quoteTable)
  const text = `
    SELECT CASE WHEN s.last + $3::bigint > s.given THEN setval(s.name, s.last + $3::bigint) END, s.last + 1 AS next
      FROM (SELECT name, given, greatest(given, $2::bigint, (SELECT max(slice_id) FROM ${catalogue}),
                                         (SELECT max(id) FROM ${history})) AS last
              FROM pg_get_serial_sequence($1, 'slice_id') AS name,
                   coalesce(pg_sequence_last_value(name::regclass), 0) AS given) s`
  return session.transaction('reserve slice ids', async () => {
    await session.query('reserve slice ids', 'SELECT pg_advisory_xact_lock(hashtext($1))', [catalogue])
    const { rows } = await session.query<{ next: string }>('reserve slice ids', text, [catalogue, above, count])
    return BigInt(rows[0].next)
  })
}

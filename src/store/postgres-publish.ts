import { setTimeout } from 'node:timers/promises'
import { backOffMs } from '../back-off'
import { ForksnapError, isForksnapError } from '../errors'
import { failpoint } from '../failpoint'
import { checkEpoch } from '../postgres/epoch'
import { quoteTable } from '../postgres/identifiers'
import { type Backend, endBackend, type Session } from '../postgres/session'
import { FORMAT_VERSION } from '../slice/format'
import { encodeMeta } from '../slice/json'
import type { JsonValue, SliceMeta, SliceTrailer } from '../slice/types'
import { catalogueTable, historyTable, type Layout } from './postgres-layout'
import type { Loaded } from './postgres-load'

export interface Publication {
  readonly sliceId: bigint
  /** In which the slice is listed. */
  readonly epoch: bigint
  /** Of the owner that publishes it; later than the slice's for one that waited in the spool. */
  readonly ownerEpoch: bigint
  readonly owner: { readonly schema: string; readonly name: string }
}

/**
 * What comes last in a slice's transaction, before its COMMIT: the epoch is checked and held, and the slice enters the
 * catalogue and the history. Resolves with the time of its row.
 */
export async function enter(session: Session, layout: Layout, publication: Publication, loaded: Loaded): Promise<Date> {
  await checkEpoch(session, publication.owner, publication.ownerEpoch)
  failpoint('store.postgres.insert.before')
  const createdAt = await insertCatalogue(session, layout, publication, loaded)
  await insertHistory(session, layout, publication.sliceId, loaded.header.meta, createdAt)
  failpoint('store.postgres.insert.after')
  return createdAt
}

/** If this rejects, `wasCommitted` knows what became of it. */
export async function commit(session: Session): Promise<void> {
  failpoint('store.postgres.commit.before')
  await session.query('commit the slice', 'COMMIT')
  failpoint('store.postgres.commit.after')
}

async function insertCatalogue(
  session: Session,
  layout: Layout,
  { sliceId, epoch }: Publication,
  { header, trailer, contents }: Loaded,
): Promise<Date> {
  const text = `
    INSERT INTO ${quoteTable(catalogueTable(layout))}
      (slice_id, store, epoch, position, rows, bytes, checksum, format_version, meta, trailer, contents)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING created_at`
  const { position = 0n } = header.meta
  const { rows, bytes, checksum, tables, blobs, values } = trailer
  const json = [encodeMeta(header.meta), { tables, blobs, values }, contents].map((value) => JSON.stringify(value))
  const counts = [position, rows, bytes, checksum, FORMAT_VERSION]
  const result = await session.query<{ created_at: Date }>('enter the slice into the catalogue', text, [
    sliceId,
    layout.store,
    epoch,
    ...counts,
    ...json,
  ])
  return result.rows[0].created_at
}

async function insertHistory(
  session: Session,
  layout: Layout,
  sliceId: bigint,
  meta: SliceMeta,
  createdAt: Date,
): Promise<void> {
  const text = `
    INSERT INTO ${quoteTable(historyTable(layout))}
      (id, time, end_operation_log_id, end_order_id, end_trade_id) VALUES ($1, $2, $3, $4, $5)`
  const ids = [layout.orderIdKey, layout.tradeIdKey].map((key) => idOf(key, meta[key]))
  const values = [sliceId, createdAt.getTime(), meta.position ?? 0n, ...ids]
  await session.query('enter the slice into the history', text, values)
}

/** An id in `meta()` as a bigint, a whole number or digits; 0 if it is missing. */
function idOf(key: string, value: JsonValue | bigint | undefined): bigint {
  if (value === undefined || value === null) return 0n
  if (typeof value === 'bigint' && value >= 0n) return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  if (typeof value === 'string' && /^\d{1,19}$/.test(value)) return BigInt(value)
  const message = `meta().${key} goes into slice_history and must be a whole number from 0: a bigint, a number or digits`
  throw new ForksnapError('ERR_INVALID_VALUE', message)
}

/** Throws unless the stream holds what the child reported to the parent. */
export function checkReported(loaded: Loaded, reported: { position: bigint; trailer: SliceTrailer }): void {
  const { header, trailer } = loaded
  const same =
    trailer.checksum === reported.trailer.checksum &&
    trailer.rows === reported.trailer.rows &&
    trailer.bytes === reported.trailer.bytes &&
    (header.meta.position ?? 0n) === reported.position
  if (same) return
  const message = `Slice ${header.sliceId} was not published: what arrived is not what the child reported; save again`
  throw new ForksnapError('ERR_STORE_FAILED', message)
}

const LOOK_UP_MS = 30_000
const LOOK_UP_BACK_OFF = { initialMs: 20, maxMs: 1_000, factor: 2 }

/**
 * Finds out whether a COMMIT of which the answer is missing took place: makes sure that its connection has ended at the
 * server, so that nothing can change any more, and then looks the slice up. Tries for half a minute, since the server is
 * perhaps just starting again. Resolves with the time of its row, or undefined if it was rolled back.
 */
export async function wasCommitted(
  open: () => Promise<Session>,
  layout: Layout,
  sliceId: bigint,
  backend: Backend,
): Promise<Date | undefined> {
  const deadline = performance.now() + LOOK_UP_MS
  for (let attempt = 1; ; attempt++) {
    try {
      return await lookUp(await open(), layout, sliceId, backend)
    } catch (cause) {
      if (!isForksnapError(cause, 'ERR_STORE_FAILED')) throw cause
      if (performance.now() > deadline) {
        const message = `Whether slice ${sliceId} was published is not known, since the database cannot be asked; list() will tell`
        throw new ForksnapError('ERR_STORE_FAILED', message, { cause })
      }
      await setTimeout(backOffMs(attempt, LOOK_UP_BACK_OFF))
    }
  }
}

async function lookUp(session: Session, layout: Layout, sliceId: bigint, backend: Backend): Promise<Date | undefined> {
  try {
    await endBackend(session, backend)
    const text = `SELECT created_at FROM ${quoteTable(catalogueTable(layout))} WHERE slice_id = $1 AND store = $2`
    const { rows } = await session.query<{ created_at: Date }>('look a slice up', text, [sliceId, layout.store])
    return rows[0]?.created_at
  } finally {
    await session.close()
  }
}

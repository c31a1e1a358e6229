import { ForksnapError } from '../errors'
import { failpoint } from '../failpoint'
import type { Owner } from '../postgres/epoch'
import { tableExists } from '../postgres/ddl'
import { quoteTable } from '../postgres/identifiers'
import type { Session } from '../postgres/session'
import { FORMAT_VERSION, unknownVersion } from '../slice/format'
import { decodeMeta } from '../slice/json'
import type { JsonValue, SliceHeader, SliceTrailer } from '../slice/types'
import { blobTable, catalogueTable, historyTable, type Layout, locationOf, SLICE_ID } from './postgres-layout'
import type { Content } from './postgres-load'
import type { SliceInfo } from './store'

/** What the catalogue says of a slice. */
export interface CatalogueEntry {
  readonly info: SliceInfo
  readonly header: SliceHeader
  readonly trailer: SliceTrailer
  readonly contents: readonly Content[]
}

interface CatalogueRow {
  readonly [column: string]: unknown
  readonly slice_id: string
  readonly epoch: string
  readonly position: string
  readonly rows: string
  readonly bytes: string
  readonly checksum: string
  readonly format_version: number
  readonly created_at: Date
  readonly meta: { readonly [key: string]: JsonValue }
  readonly trailer: Pick<SliceTrailer, 'tables' | 'blobs' | 'values'>
  readonly contents: readonly Content[]
}

/** Published slices, newest first; none where there is no catalogue yet. */
export async function listSlices(session: Session, layout: Layout): Promise<SliceInfo[]> {
  const table = catalogueTable(layout)
  if (!(await tableExists(session, table))) return []
  const text = `
    SELECT slice_id, epoch, position, rows, bytes, created_at, meta FROM ${quoteTable(table)}
     WHERE store = $1 ORDER BY epoch DESC, position DESC, slice_id DESC`
  const { rows } = await session.query<CatalogueRow>('list the slices', text, [layout.store])
  return rows.map((row) => infoOf(layout, row))
}

/** Throws `ERR_SLICE_NOT_FOUND`, `ERR_SLICE_VERSION`. */
export async function findSlice(session: Session, layout: Layout, sliceId: bigint): Promise<CatalogueEntry> {
  const table = catalogueTable(layout)
  const text = `SELECT * FROM ${quoteTable(table)} WHERE slice_id = $1 AND store = $2`
  const found = await tableExists(session, table)
  const doing = `open slice ${sliceId}`
  const rows = found ? (await session.query<CatalogueRow>(doing, text, [sliceId, layout.store])).rows : []
  if (rows.length === 0) throw notFound(layout, sliceId)
  const [row] = rows
  if (row.format_version !== FORMAT_VERSION) {
    throw unknownVersion(`slice ${sliceId} has version ${row.format_version}, this reader knows ${FORMAT_VERSION}`, 0)
  }
  const info = infoOf(layout, row)
  const { rows: count, bytes, meta } = info
  return {
    info,
    header: { formatVersion: row.format_version, sliceId, meta, codec: 'none' },
    trailer: { rows: count, bytes, checksum: row.checksum, ...row.trailer },
    contents: row.contents,
  }
}

export function notFound(layout: Layout, sliceId: bigint): ForksnapError {
  const message = `There is no slice ${sliceId} in ${quoteTable(catalogueTable(layout))}; list() shows what there is`
  return new ForksnapError('ERR_SLICE_NOT_FOUND', message)
}

function infoOf(layout: Layout, row: CatalogueRow): SliceInfo {
  const sliceId = BigInt(row.slice_id)
  return {
    sliceId,
    epoch: BigInt(row.epoch),
    position: BigInt(row.position),
    rows: Number(row.rows),
    bytes: Number(row.bytes),
    createdAt: row.created_at,
    meta: decodeMeta(row.meta),
    location: locationOf(layout, sliceId),
  }
}

/** Removes slices with all that belongs to them in one transaction, in the right of this owner. */
export async function removeSlices(
  session: Session,
  layout: Layout,
  owner: Owner,
  sliceIds: readonly bigint[],
): Promise<void> {
  if (sliceIds.length === 0) return
  failpoint('store.postgres.prune.before')
  await session.transaction('remove slices', async () => {
    await owner.check(session)
    const ids = sliceIds.map(String)
    const text = `
      DELETE FROM ${quoteTable(catalogueTable(layout))} WHERE slice_id = ANY ($1::bigint[]) AND store = $2
      RETURNING contents`
    const { rows } = await session.query<Pick<CatalogueRow, 'contents'>>('remove slices', text, [ids, layout.store])
    for (const table of targetsOf(rows.flatMap((row) => row.contents))) {
      await session.queryLong('remove rows', `DELETE FROM ${table} WHERE ${SLICE_ID} = ANY ($1::bigint[])`, [ids])
    }
    const blobs = quoteTable(blobTable(layout))
    await session.queryLong('remove blobs', `DELETE FROM ${blobs} WHERE ${SLICE_ID} = ANY ($1::bigint[])`, [ids])
    const history = quoteTable(historyTable(layout))
    await session.query('remove history', `DELETE FROM ${history} WHERE id = ANY ($1::bigint[])`, [ids])
  })
  failpoint('store.postgres.prune.after')
}

function targetsOf(contents: readonly Content[]): Set<string> {
  return new Set(contents.flatMap((content) => (content.kind === 'table' ? [quoteTable(content.target)] : [])))
}

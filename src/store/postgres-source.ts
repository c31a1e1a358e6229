import { to } from 'pg-copy-streams'
import { ForksnapError } from '../errors'
import { quoteTable } from '../postgres/identifiers'
import { Session } from '../postgres/session'
import { corrupt } from '../slice/format'
import type { RawHandlers } from '../slice/reader'
import { RowDelivery } from '../slice/row-delivery'
import type { SliceTrailer } from '../slice/types'
import { findSlice } from './postgres-catalogue'
import { describeTable, primaryKey } from './postgres-columns'
import { blobTable, columnList, type Layout, orderClause, SLICE_ID } from './postgres-layout'
import type { Content } from './postgres-load'
import type { SliceSource } from './store'

const LINE_FEED = 10
const READ_BYTES = 1024 * 1024

type TableContent = Extract<Content, { kind: 'table' }>

/**
 * A published slice that is read from the database, in one snapshot of it (repeatable read), so that it stays whole
 * while somebody removes it. It holds one chunk at a time. What the database keeps is not the stream, so the stream's
 * checksum cannot be compared: tables and blobs must be there with all their rows and bytes.
 */
export async function openPostgresSource(
  open: () => Promise<Session>,
  layout: Layout,
  sliceId: bigint,
): Promise<SliceSource> {
  const reader = new SnapshotReader(open)
  try {
    const { info, header, trailer, contents } = await findSlice(await reader.session(), layout, sliceId)
    const read = (handlers: RawHandlers): Promise<SliceTrailer> =>
      reader.run(async (session) => {
        handlers.header?.(header)
        let bytes = 0
        const progress = (more: number): void => handlers.progress?.(Math.min((bytes += more), info.bytes), info.bytes)
        for (const content of contents) {
          const part = { session, layout, sliceId, handlers, trailer, progress }
          await (content.kind === 'table' ? readTable(part, content) : readBlob(part, content.name, content.bytes))
        }
        return trailer
      })
    return { info, header, trailer, read, verify: () => read({}), close: () => reader.close() }
  } catch (error) {
    await reader.close()
    throw error
  }
}

/** Holds the snapshot. A read that broke off leaves a connection in the middle of a COPY: the next one begins anew. */
class SnapshotReader {
  #session: Session | undefined
  #closed = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(private readonly open: () => Promise<Session>) {}

  async session(): Promise<Session> {
    if (this.#session !== undefined && this.#session.lost === undefined) return this.#session
    const session = await this.open()
    await session.query('begin to read', 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    this.#session = session
    return session
  }

  /** One read at a time, since there is one connection. */
  run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      if (this.#closed) throw new ForksnapError('ERR_INVALID_STATE', 'The slice was closed; open() it again to read it')
      const session = await this.session()
      try {
        return await work(session)
      } catch (error) {
        session.drop()
        throw error
      }
    })
    this.#last = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#session?.close()
  }
}

interface Part {
  readonly session: Session
  readonly layout: Layout
  readonly sliceId: bigint
  readonly handlers: RawHandlers
  readonly trailer: SliceTrailer
  progress(bytes: number): void
}

async function readTable(part: Part, { name, columns, target }: TableContent): Promise<void> {
  const { session, sliceId, handlers } = part
  // The first column is the slice's number, which the writer never saw.
  const own = columns.slice(1)
  const order = orderClause(await describeTable(session, target), await primaryKey(session, target))
  const names = columnList(own.map(([column]) => column))
  const select = `SELECT ${names} FROM ${quoteTable(target)} WHERE ${SLICE_ID} = ${sliceId}${order}`
  const delivery = new RowDelivery(name, own, handlers)
  const rows = await copyOut(part, name, delivery, `COPY (${select}) TO STDOUT`)
  const expected = part.trailer.tables.find((table) => table.name === name)?.rows ?? 0
  if (rows !== expected) {
    throw corrupt(`table ${JSON.stringify(name)} has ${rows} rows in ${quoteTable(target)}, not ${expected}`, 0)
  }
  handlers.tableEnd?.(name, rows)
}

/** Delivers whole lines; returns how many there were. */
async function copyOut(part: Part, name: string, delivery: RowDelivery, sql: string): Promise<number> {
  const { session } = part
  let rows = 0
  // Pieces of a line that has not ended yet, joined once: a long row comes in many.
  let rest: Buffer[] = []
  for await (const chunk of chunksOf(session, name, sql)) {
    const end = chunk.lastIndexOf(LINE_FEED) + 1
    if (end === 0) {
      rest.push(chunk)
      continue
    }
    const whole = chunk.subarray(0, end)
    const lines = rest.length === 0 ? whole : Buffer.concat([...rest, whole])
    rest = end === chunk.length ? [] : [Buffer.from(chunk.subarray(end))]
    rows += delivery.deliver(lines, 0)
    part.handlers.lines?.(name, lines)
    part.progress(lines.length)
  }
  if (rest.length > 0) throw corrupt(`the server ended in the middle of a row of ${JSON.stringify(name)}`, 0)
  return rows
}

async function* chunksOf(session: Session, name: string, sql: string): AsyncGenerator<Buffer> {
  const doing = `read the table ${name}`
  const stream = session.client.query(to(sql, { highWaterMark: READ_BYTES }))
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
  // The server may sort the rows before the first one comes.
  const next = () => session.patiently(doing, () => chunks.next())
  try {
    for (let chunk = await next(); chunk.done !== true; chunk = await next()) yield chunk.value
  } finally {
    await chunks.return?.()
  }
}

async function readBlob(part: Part, name: string, bytes: number): Promise<void> {
  const { session, layout, sliceId, handlers } = part
  const where = `FROM ${quoteTable(blobTable(layout))} WHERE slice_id = $1 AND name = $2`
  const doing = `read the blob ${JSON.stringify(name)}`
  const sum = `SELECT coalesce(sum(length(data)), 0)::bigint AS bytes, count(*)::int AS pieces ${where}`
  const [found] = (await session.queryLong<{ bytes: string; pieces: number }>(doing, sum, [sliceId, name])).rows
  if (Number(found.bytes) !== bytes) {
    throw corrupt(`the blob ${JSON.stringify(name)} has ${found.bytes} bytes, not ${bytes}`, 0)
  }
  const sink = handlers.pieces?.(name, bytes)
  if (sink === undefined && handlers.blob === undefined) return
  const whole = sink === undefined ? new Uint8Array(bytes) : undefined
  let at = 0
  for (let piece = 0; piece < found.pieces; piece++) {
    const text = `SELECT data ${where} AND piece = $3`
    const { rows } = await session.query<{ data: Buffer }>(doing, text, [sliceId, name, piece])
    const data = rows[0]?.data ?? Buffer.alloc(0)
    if (whole === undefined) sink?.write(data)
    else whole.set(data, at)
    at += data.length
    part.progress(data.length)
  }
  if (whole === undefined) sink?.end()
  else handlers.blob?.(name, whole)
}

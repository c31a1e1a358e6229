import { failpoint } from '../failpoint'
import { ForksnapError } from '../errors'
import { tableExists } from '../postgres/ddl'
import { quoteTable, type TableName } from '../postgres/identifiers'
import { Session } from '../postgres/session'
import { SliceParser } from '../slice/reader'
import type { Column, SliceHeader, SliceTrailer } from '../slice/types'
import { checkColumns, checkStorage, createRowsTable, describeTable } from './postgres-columns'
import { CopyIn } from './postgres-copy'
import { blobTable, columnList, type Layout, SLICE_ID, targetTable } from './postgres-layout'

/** What a slice holds, in the order of its stream, and where it is; kept in the catalogue for readers. */
export type Content =
  | { readonly kind: 'table'; readonly name: string; readonly columns: readonly Column[]; readonly target: TableName }
  | { readonly kind: 'blob'; readonly name: string; readonly bytes: number }

export interface Loaded {
  readonly header: SliceHeader
  readonly trailer: SliceTrailer
  readonly contents: readonly Content[]
}

interface OpenCopy {
  readonly name: string
  readonly copy: CopyIn
}

/**
 * Passes one slice on into a transaction that is open: the stream is verified frame by frame, and the lines of each frame
 * go into `COPY ... FROM STDIN` as they are. It holds one chunk and one frame at a time; a server that is slow makes it
 * read slowly. Nothing is committed here.
 */
export class SliceLoader {
  readonly #session: Session
  readonly #layout: Layout
  readonly #sliceId: bigint
  /** Makes a session beside the transaction: a table that is missing is created apart from it. */
  readonly #aside: () => Promise<Session>
  readonly #contents: Content[] = []
  /** What the parser has found in the chunk, to be done in this order before the next one. */
  #steps: (() => Promise<void>)[] = []
  #open: OpenCopy | undefined
  #header: SliceHeader | undefined

  constructor(session: Session, layout: Layout, sliceId: bigint, aside: () => Promise<Session>) {
    this.#session = session
    this.#layout = layout
    this.#sliceId = sliceId
    this.#aside = aside
  }

  /** Resolves with the verified slice; rejects with the stream's damage or the database's error. */
  async load(chunks: AsyncIterable<Uint8Array>): Promise<Loaded> {
    const parser = this.#parser()
    for await (const chunk of chunks) {
      parser.push(chunk)
      await this.#doSteps()
    }
    const trailer = parser.end()
    return { header: this.#header as SliceHeader, trailer, contents: this.#contents }
  }

  #parser(): SliceParser {
    let piece = 0
    return new SliceParser({
      header: (header) => (this.#header = this.#checkHeader(header)),
      table: (name, columns) => this.#steps.push(() => this.#beginTable(name, columns)),
      lines: (_table, lines) => this.#steps.push(() => (this.#open as OpenCopy).copy.write(lines)),
      tableEnd: (name, rows) => this.#steps.push(() => this.#endTable(name, rows)),
      blobBegin: (name, bytes) => {
        this.#contents.push({ kind: 'blob', name, bytes })
        piece = 0
      },
      blobPiece: (name, bytes) => {
        const number = piece++
        this.#steps.push(() => this.#insertPiece(name, number, bytes))
      },
    })
  }

  async #doSteps(): Promise<void> {
    const steps = this.#steps
    this.#steps = []
    for (const step of steps) await step()
  }

  #checkHeader(header: SliceHeader): SliceHeader {
    if (header.sliceId === this.#sliceId) return header
    const message = `The stream holds slice ${header.sliceId}, expected ${this.#sliceId}`
    throw new ForksnapError('ERR_SLICE_CORRUPT', message, { offset: 0 })
  }

  async #beginTable(name: string, columns: readonly Column[]): Promise<void> {
    const target = targetTable(this.#layout, name)
    this.#checkTarget(name, target, columns)
    if (!(await tableExists(this.#session, target))) await this.#create(target, columns)
    await checkStorage(this.#session, name, target)
    checkColumns(name, target, columns, await describeTable(this.#session, target))
    this.#contents.push({ kind: 'table', name, columns, target })
    const names = columnList(columns.map(([column]) => column))
    failpoint('store.postgres.copy.before')
    const sql = `COPY ${quoteTable(target)} (${names}) FROM STDIN`
    this.#open = { name, copy: new CopyIn(this.#session, `copy rows into ${target.name}`, sql) }
  }

  #checkTarget(name: string, target: TableName, columns: readonly Column[]): void {
    if (columns[0]?.[0] !== SLICE_ID || columns[0][1] !== 'int8') {
      const message = `The slice's table ${JSON.stringify(name)} does not begin with ${SLICE_ID}; write through the sink`
      throw new ForksnapError('ERR_INVALID_VALUE', message, { table: name })
    }
    const key = quoteTable(target)
    const other = this.#contents.find((content) => content.kind === 'table' && quoteTable(content.target) === key)
    if (other === undefined) return
    const message = `Two tables of the slice, ${JSON.stringify(other.name)} and ${JSON.stringify(name)}, are mapped to ${key}`
    throw new ForksnapError('ERR_INVALID_VALUE', message, { table: name })
  }

  async #create(target: TableName, columns: readonly Column[]): Promise<void> {
    const session = await this.#aside()
    try {
      await createRowsTable(session, target, columns)
    } finally {
      await session.close()
    }
  }

  async #endTable(name: string, rows: number): Promise<void> {
    const copied = await (this.#open as OpenCopy).copy.end()
    this.#open = undefined
    failpoint('store.postgres.copy.after')
    if (copied === rows) return
    const message = `The server took ${copied} of the ${rows} rows of ${JSON.stringify(name)}; see triggers and rules there`
    throw new ForksnapError('ERR_STORE_FAILED', message)
  }

  async #insertPiece(name: string, piece: number, bytes: Buffer): Promise<void> {
    const text = `INSERT INTO ${quoteTable(blobTable(this.#layout))} (slice_id, name, piece, data) VALUES ($1, $2, $3, $4)`
    await this.#session.query(`write the blob ${JSON.stringify(name)}`, text, [this.#sliceId, name, piece, bytes])
  }
}

import { FrameType, hex32 } from '../slice/format'
import { FrameWriter } from '../slice/frame-writer'
import { encodeMeta } from '../slice/json'
import type { RawHandlers } from '../slice/reader'
import type { Column, SliceHeader, SliceTrailer } from '../slice/types'
import type { SliceSink } from '../store/store'

const LINE_FEED = 10
const TAB = 9

/**
 * Writes a slice anew as a sink of a database wants it: with its id there, and with that id as the first column of every
 * table. The fields of the rows are the same bytes. A slice that waited in a spool has such a column; it is replaced.
 */
export class SliceRewriter {
  readonly handlers: RawHandlers
  readonly #frames: FrameWriter
  readonly #sliceId: bigint
  readonly #column: Column
  readonly #field: Buffer
  #pieces: Buffer[] = []
  #hasColumn = false

  constructor({ sliceId, writing }: SliceSink) {
    const constant = writing.constantColumn
    if (constant === undefined) throw new Error('the sink wants no column with the id of the slice')
    this.#sliceId = sliceId
    this.#column = [constant.name, constant.type]
    this.#field = Buffer.from(`${constant.value}\t`)
    // A copy: what the parser gave is overwritten by the next chunk.
    this.#frames = new FrameWriter({ write: (bytes) => void this.#pieces.push(Buffer.from(bytes)) }, 'none', 0)
    this.handlers = {
      header: (header) => this.#header(header),
      table: (name, columns) => this.#table(name, columns),
      lines: (_table, lines) => this.#frames.data(FrameType.rows, [this.#marked(lines)]),
      tableEnd: (_name, rows) => this.#frames.json(FrameType.seal, JSON.stringify({ rows })),
      blobBegin: (name, bytes) => this.#frames.json(FrameType.blob, JSON.stringify({ name, bytes })),
      blobPiece: (_name, piece) => this.#frames.data(FrameType.blobData, [piece]),
    }
  }

  /** What there is to write since the last call. */
  take(): readonly Buffer[] {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  /** Writes the trailer; returns it as the sink is to be told. */
  finish({ rows, tables, blobs, values }: SliceTrailer): SliceTrailer {
    const checksum = hex32(this.#frames.chain)
    const counts = {
      tables: tables.map((one) => [one.name, one.rows]),
      blobs: blobs.map((one) => [one.name, one.bytes]),
    }
    this.#frames.end(JSON.stringify({ rows, ...counts, values, checksum }))
    return { rows, tables, blobs, values, checksum, bytes: this.#frames.bytes }
  }

  #header({ meta }: SliceHeader): void {
    const header = { sliceId: String(this.#sliceId), codec: 'none', meta: encodeMeta(meta) }
    this.#frames.json(FrameType.header, JSON.stringify(header))
  }

  #table(name: string, columns: readonly Column[]): void {
    const [first] = columns
    this.#hasColumn = first[0] === this.#column[0] && first[1] === this.#column[1]
    const own = this.#hasColumn ? columns.slice(1) : columns
    this.#frames.json(FrameType.table, JSON.stringify({ name, columns: [this.#column, ...own] }))
  }

  #marked(lines: Buffer): Buffer {
    const parts: Buffer[] = []
    for (let at = 0; at < lines.length;) {
      const end = lines.indexOf(LINE_FEED, at) + 1
      const begin = this.#hasColumn ? lines.indexOf(TAB, at) + 1 : at
      parts.push(this.#field, lines.subarray(begin, end))
      at = end
    }
    return Buffer.concat(parts)
  }
}

import type { SliceHandlers } from '../store/store'
import { checkCodec, decompress } from './codec'
import { frameName, readBlobPayload, readHeaderPayload, readSealPayload, readTablePayload } from './control'
import { readTrailerPayload } from './control'
import { BLOB_CHUNK_BYTES, corrupt, type FrameHeader, FrameType, SECTIONS_MAX } from './format'
import { RowDelivery } from './row-delivery'
import type { BlobSink, BlobSummary, SliceTrailer, TableSummary } from './types'

const LINE_FEED = 10

/** What one who passes a slice on wants beside the decoded contents. The bytes are valid during the call only. */
export interface RawHandlers extends SliceHandlers {
  /** Whole COPY lines of a table, verified and decompressed, not decoded. */
  lines?(table: string, lines: Buffer): void
  /** A blob begins; its pieces follow. */
  blobBegin?(name: string, bytes: number): void
  blobPiece?(name: string, piece: Buffer): void
}

interface OpenTable {
  readonly name: string
  readonly delivery: RowDelivery
  rows: number
}

interface OpenBlob extends BlobSummary {
  readonly sink: BlobSink | undefined
  arrived: number
}

/** The grammar of the frames: which may follow which, what they hold, and what of it the handlers get. */
export class SectionReader {
  private state: 'header' | 'between' | 'table' | 'blob' = 'header'
  private table: OpenTable | undefined
  private blob: OpenBlob | undefined
  private rows = 0
  private readonly tables = new Map<string, TableSummary>()
  private readonly blobs = new Map<string, BlobSummary>()

  constructor(private readonly handlers: RawHandlers) {}

  /** Throws if a frame of that type cannot come now; asked before its payload is waited for. */
  checkOrder(type: FrameType, offset: number): void {
    if (FOLLOWERS[this.state].includes(type)) return
    throw corrupt(`a frame of type ${frameName(type)} cannot come here`, offset)
  }

  /** Takes a frame of which the checksum is right. */
  frame(frame: FrameHeader, stored: Buffer, offset: number): void {
    const payload = frame.codec === 'none' ? stored : unpack(frame, stored, offset)
    if (frame.type === FrameType.header) this.takeHeader(payload, offset)
    else if (frame.type === FrameType.table) this.openTable(payload, offset)
    else if (frame.type === FrameType.rows) this.takeRows(payload, offset)
    else if (frame.type === FrameType.seal) this.sealTable(payload, offset)
    else if (frame.type === FrameType.blob) this.openBlob(payload, offset)
    else this.takeBlobData(payload, offset)
  }

  /** Takes the trailer and checks that it says what has been seen. */
  trailer(payload: Buffer, chain: number, offset: number): Omit<SliceTrailer, 'bytes'> {
    const trailer = readTrailerPayload(payload, chain, offset)
    const seen = JSON.stringify([this.rows, [...this.tables.values()], [...this.blobs.values()]])
    if (JSON.stringify([trailer.rows, trailer.tables, trailer.blobs]) === seen) return trailer
    throw corrupt('the trailer does not say what the stream holds', offset)
  }

  private takeHeader(payload: Buffer, offset: number): void {
    const header = readHeaderPayload(payload, offset)
    checkCodec(header.codec)
    this.state = 'between'
    this.handlers.header?.(header)
  }

  private openTable(payload: Buffer, offset: number): void {
    const { name, columns } = readTablePayload(payload, offset)
    checkNew(name, this.tables, offset)
    this.state = 'table'
    this.table = { name, delivery: new RowDelivery(name, columns, this.handlers), rows: 0 }
  }

  private takeRows(payload: Buffer, offset: number): void {
    const table = this.table as OpenTable
    if (payload[payload.length - 1] !== LINE_FEED) throw corrupt('a frame of rows ends inside a row', offset)
    table.rows += table.delivery.deliver(payload, offset)
    this.handlers.lines?.(table.name, payload)
  }

  private sealTable(payload: Buffer, offset: number): void {
    const { name, rows } = this.table as OpenTable
    if (readSealPayload(payload, offset) !== rows) throw corrupt(`table ${JSON.stringify(name)} misses rows`, offset)
    this.tables.set(name, { name, rows })
    this.rows += rows
    this.table = undefined
    this.state = 'between'
    this.handlers.tableEnd?.(name, rows)
  }

  private openBlob(payload: Buffer, offset: number): void {
    const { name, bytes } = readBlobPayload(payload, offset)
    checkNew(name, this.blobs, offset)
    this.blobs.set(name, { name, bytes })
    this.state = 'blob'
    this.handlers.blobBegin?.(name, bytes)
    this.blob = { name, bytes, sink: this.handlers.pieces?.(name, bytes) ?? this.collector(name, bytes), arrived: 0 }
    this.endBlob(this.blob)
  }

  private takeBlobData(payload: Buffer, offset: number): void {
    const blob = this.blob as OpenBlob
    const expected = Math.min(BLOB_CHUNK_BYTES, blob.bytes - blob.arrived)
    if (payload.length !== expected)
      throw corrupt(`a piece of a blob has ${payload.length} of ${expected} bytes`, offset)
    blob.arrived += payload.length
    this.handlers.blobPiece?.(blob.name, payload)
    blob.sink?.write(payload)
    this.endBlob(blob)
  }

  private endBlob(blob: OpenBlob): void {
    if (blob.arrived < blob.bytes) return
    this.blob = undefined
    this.state = 'between'
    blob.sink?.end()
  }

  /** For a handler that wants the whole blob. */
  private collector(name: string, bytes: number): BlobSink | undefined {
    const { handlers } = this
    if (handlers.blob === undefined) return undefined
    const pieces: Buffer[] = []
    return {
      // The piece may be a view of the caller's chunk, which is reused.
      write: (piece) => void pieces.push(Buffer.from(piece)),
      end: () => handlers.blob?.(name, join(pieces, bytes)),
    }
  }
}

/** A Uint8Array with a buffer of its own, so that it can be viewed as any typed array. */
function join(pieces: readonly Buffer[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

const FOLLOWERS: { readonly [state: string]: readonly FrameType[] } = {
  header: [FrameType.header],
  between: [FrameType.table, FrameType.blob, FrameType.trailer],
  table: [FrameType.rows, FrameType.seal],
  blob: [FrameType.blobData],
}

function unpack(frame: FrameHeader, stored: Buffer, offset: number): Buffer {
  checkCodec(frame.codec)
  try {
    return decompress(frame.codec, stored, frame.rawBytes)
  } catch (error) {
    throw corrupt('the frame cannot be decompressed', offset, error)
  }
}

function checkNew(name: string, known: ReadonlyMap<string, unknown>, offset: number): void {
  if (known.has(name)) throw corrupt(`${JSON.stringify(name)} comes twice`, offset)
  if (known.size >= SECTIONS_MAX) throw corrupt(`there are more than ${SECTIONS_MAX} tables or blobs`, offset)
}

import { binding } from '../binding'
import { checkWhole } from '../checks'
import { ForksnapError } from '../errors'
import { blobPieces, firstBytes, viewsOf } from './blob-pieces'
import { checkCodec } from './codec'
import { checkName, quote, toColumn } from './columns'
import { FrameType, hex32, SECTIONS_MAX, VALUES_BYTES_MAX } from './format'
import { FrameWriter } from './frame-writer'
import { encodeMeta, jsonProblem } from './json'
import { RowBuffer } from './row-buffer'
import { type ConstantColumn, OpenTable, type RowGate, type TableOwner } from './table-writer'
import type { SliceTarget } from './target'
import type { BlobData, BlobOptions, BlobSummary, Codec, Column, JsonValue } from './types'
import type { SliceMeta, SliceTrailer, SliceWriter, TableWriter } from './types'

export { fdTarget, nullTarget, type SliceTarget } from './target'

export interface SliceWriterOptions {
  /** 0 to 2^63 - 1. */
  readonly sliceId: bigint
  readonly meta: SliceMeta
  /** zstd needs Node 22.15 or newer. */
  readonly codec: Codec
  /** Written first in each row of every table, and declared as its first column. */
  readonly constantColumn?: { readonly name: string; readonly type: 'int8'; readonly value: bigint } | undefined
  /** The disk begins with what was written after this many bytes, and the target is synced at the end; 0 = neither. */
  readonly syncEveryBytes: number
  /** Called with totals for each frame of rows or of a blob. */
  readonly onProgress?: ((rows: number, bytes: number) => void) | undefined
}

export interface FinishingSliceWriter extends SliceWriter {
  /** Rows so far, all tables together. */
  readonly rows: number
  /** Bytes that the target has got so far. */
  readonly bytes: number
  /** Seals the last table, writes the trailer and syncs. The writer cannot be used after it. */
  finish(): SliceTrailer
}

/**
 * Begins a slice: the header is written at once. Throws `ERR_INVALID_ARGUMENT` for bad options,
 * `ERR_UNSUPPORTED_PLATFORM` for zstd where there is none, `ERR_INVALID_VALUE` for a `meta` that a slice cannot hold.
 * What the target throws passes through as it is; after it the writer throws `ERR_INVALID_STATE`.
 */
export function createSliceWriter(target: SliceTarget, options: SliceWriterOptions): FinishingSliceWriter {
  return new Writer(target, options, undefined)
}

/** The same writer with a limit, for the warm-up. */
export function createLimitedWriter(
  options: SliceWriterOptions,
  target: SliceTarget,
  gate: RowGate,
): FinishingSliceWriter {
  return new Writer(target, options, gate)
}

const INT8_MAX = 2n ** 63n - 1n

class Writer implements FinishingSliceWriter, TableOwner {
  readonly out: RowBuffer
  openTable: OpenTable | undefined
  private readonly frames: FrameWriter
  private readonly tables = new Map<string, OpenTable>()
  private readonly blobs = new Map<string, BlobSummary>()
  /** What `set` said: `"key":value` by key. */
  private readonly values = new Map<string, string>()
  private valuesBytes = 0
  private readonly constant: ConstantColumn | undefined
  private finished = false

  constructor(
    target: SliceTarget,
    private readonly options: SliceWriterOptions,
    readonly gate: RowGate | undefined,
  ) {
    checkOptions(options)
    const { sliceId, codec, syncEveryBytes, constantColumn } = options
    this.constant = constantColumn && {
      column: [constantColumn.name, constantColumn.type],
      field: Buffer.from(`${constantColumn.value}\t`),
    }
    const header = JSON.stringify({ sliceId: sliceId.toString(), codec, meta: encodeMeta(options.meta) })
    this.out = new RowBuffer((frame) => this.flushRows(frame))
    this.frames = new FrameWriter(target, codec, syncEveryBytes)
    this.frames.json(FrameType.header, header)
  }

  get rows(): number {
    return this.out.rows
  }

  get bytes(): number {
    return this.frames.bytes
  }

  table<const C extends readonly Column[]>(name: string, columns: C): TableWriter<C> {
    this.checkUsable()
    checkNewName('table', name, this.tables)
    const table = new OpenTable(name, columns, this, this.constant)
    const declared = JSON.stringify({ name, columns: table.specs.map(toColumn) })
    this.seal()
    this.frames.json(FrameType.table, declared)
    this.tables.set(name, table)
    this.openTable = table
    this.gate?.tableOpened(this.out)
    return table
  }

  blob(name: string, data: BlobData, { giveBack = false }: BlobOptions = {}): void {
    this.checkUsable()
    checkNewName('blob', name, this.blobs)
    const views = firstBytes(viewsOf(name, data), this.gate?.blobBytesMax ?? Infinity)
    const bytes = views.reduce((sum, view) => sum + view.length, 0)
    this.seal()
    this.frames.json(FrameType.blob, JSON.stringify({ name, bytes }))
    this.blobs.set(name, { name, bytes })
    for (const piece of blobPieces(views)) {
      this.frames.data(FrameType.blobData, piece)
      // The warm-up is the parent's, which needs its memory.
      if (giveBack && this.gate === undefined) for (const part of piece) binding().arenaGiveBack(part)
      this.options.onProgress?.(this.rows, this.bytes)
    }
  }

  set(key: string, given: JsonValue | (() => JsonValue)): void {
    this.checkUsable()
    if (typeof given === 'function' && this.gate !== undefined) return
    const value = typeof given === 'function' ? given() : given
    const problem = typeof key === 'string' ? (jsonProblem(key) ?? jsonProblem(value)) : 'is not named by a string'
    const said = `The value that set() got under ${quote(String(key))}`
    if (problem !== undefined) throw new ForksnapError('ERR_INVALID_VALUE', `${said} ${problem}`)
    const entry = `${JSON.stringify(key)}:${JSON.stringify(value)}`
    const replaced = this.values.get(key) ?? ''
    const bytes = this.valuesBytes + Buffer.byteLength(entry) - Buffer.byteLength(replaced)
    if (bytes > VALUES_BYTES_MAX) {
      const message = `${said} makes all values longer than ${VALUES_BYTES_MAX} bytes: write it as a blob`
      throw new ForksnapError('ERR_INVALID_VALUE', message)
    }
    this.values.set(key, entry)
    this.valuesBytes = bytes
  }

  finish(): SliceTrailer {
    this.checkUsable()
    this.seal()
    const { rows } = this
    const tables = [...this.tables.values()].map((table) => ({ name: table.name, rows: table.rowCount }))
    const blobs = [...this.blobs.values()]
    const checksum = hex32(this.frames.chain)
    const values = `{${[...this.values.values()].join(',')}}`
    const counts = [tables.map((table) => [table.name, table.rows]), blobs.map((blob) => [blob.name, blob.bytes])]
    const [tablesJson, blobsJson] = counts.map((count) => JSON.stringify(count))
    const json = `{"rows":${rows},"tables":${tablesJson},"blobs":${blobsJson},"values":${values},"checksum":"${checksum}"}`
    this.frames.end(json)
    this.finished = true
    this.options.onProgress?.(rows, this.bytes)
    return { rows, tables, blobs, values: JSON.parse(values) as SliceTrailer['values'], bytes: this.bytes, checksum }
  }

  checkUsable(): void {
    if (this.frames.failure !== undefined) {
      const message = 'The slice could not be written and this writer cannot go on: begin a new slice'
      throw new ForksnapError('ERR_INVALID_STATE', message, { cause: this.frames.failure })
    }
    if (this.finished) throw new ForksnapError('ERR_INVALID_STATE', 'The slice is finished: nothing can be added to it')
    if (!this.out.readingValue) return
    throw new ForksnapError(
      'ERR_INVALID_STATE',
      'A getter of a value that is being written must not write to the slice',
    )
  }

  private seal(): void {
    const table = this.openTable
    if (table === undefined) return
    this.out.dropBegunRow()
    this.out.flush()
    this.openTable = undefined
    table.seal()
    this.frames.json(FrameType.seal, JSON.stringify({ rows: table.rowCount }))
  }

  private flushRows(frame: Uint8Array): void {
    // A row after a write that failed would follow bytes of which nobody knows how many are there.
    this.checkUsable()
    this.frames.dataWithRoom(FrameType.rows, frame)
    this.options.onProgress?.(this.rows, this.bytes)
  }
}

function checkNewName(kind: 'table' | 'blob', name: string, known: ReadonlyMap<string, unknown>): void {
  checkName(kind, name)
  const details = kind === 'table' ? { table: name } : {}
  if (known.has(name)) {
    throw new ForksnapError('ERR_INVALID_VALUE', `The slice has a ${kind} ${quote(name)} already`, details)
  }
  if (known.size >= SECTIONS_MAX) {
    throw new ForksnapError('ERR_INVALID_VALUE', `A slice can hold ${SECTIONS_MAX} ${kind}s at most`, details)
  }
}

function checkOptions(options: SliceWriterOptions): void {
  const { sliceId, meta, codec, constantColumn, syncEveryBytes } = options
  checkCodec(codec)
  if (typeof sliceId !== 'bigint' || sliceId < 0n || sliceId > INT8_MAX) {
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `sliceId must be a bigint from 0 to ${INT8_MAX}`)
  }
  checkWhole('syncEveryBytes', syncEveryBytes, 0, Number.MAX_SAFE_INTEGER)
  if (constantColumn !== undefined) checkConstant(constantColumn)
  checkMeta(meta)
}

function checkConstant({ name, type, value }: NonNullable<SliceWriterOptions['constantColumn']>): void {
  checkName('constant column', name)
  if (type === 'int8' && typeof value === 'bigint' && value >= -INT8_MAX - 1n && value <= INT8_MAX) return
  throw new ForksnapError('ERR_INVALID_ARGUMENT', 'constantColumn must be an int8 with a bigint that fits it')
}

function checkMeta(meta: SliceMeta): void {
  const entries = typeof meta === 'object' && meta !== null ? Object.entries(meta) : undefined
  const defined = entries?.filter(([, value]) => value !== undefined)
  let problem = defined === undefined ? 'is not an object' : jsonProblem(Object.fromEntries(defined), { bigint: true })
  const position: unknown = defined === undefined ? undefined : meta.position
  if (position !== undefined && (typeof position !== 'bigint' || position < 0n)) {
    problem ??= 'has a position that is not a bigint of 0 or more'
  }
  if (problem !== undefined) throw new ForksnapError('ERR_INVALID_VALUE', `meta ${problem}`)
}

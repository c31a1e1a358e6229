import * as check from '../checks'
import { ForksnapError } from '../errors'
import type { BlobOptions, BlobSink, SliceWriter } from '../slice/types'
import { type AnyArray, type AnyColumn, type ColumnOf, freeAll, KINDS } from './columns'
import { type Memory, newChunk, type TableSchema, U32Column } from './columns'
import { CHUNK_ROWS_MAX, CHUNK_ROWS_MIN, encodeShape, FIRST_LINK, IN_USE, NO_ROW, ROWS_MAX } from './table-format'
import { readTable, type SavedTable } from './table-reader'

/** How a table of an arena grows. */
export interface ArenaTableOptions {
  /**
   * Rows by which the table grows: a power of two from 2^10 to 2^24. Default 2^19, at which a column of four bytes fills one
   * huge page per chunk. Every column takes a huge page with its first row: choose fewer for small tables.
   */
  readonly chunkRows?: number
}

/** The columns of a table, by name. */
export type TableColumns<S extends TableSchema> = { readonly [Name in keyof S]: ColumnOf<S[Name]> }

const CHUNK_ROWS = 2 ** 19

/**
 * Rows of numbers in an arena, each column an array of its own. Rows are numbered from 0; the number of a row that was
 * removed is given to a later one, the last removed first. Grows by whole chunks, without copying, to 2^32 - 2 rows, and
 * does not shrink: `clear` frees all of it. Made by `arena.table(schema)`.
 *
 * Columns are read and written by `table.columns.price.get(row)` and `.set(row, value)`. These are for hot loops and check
 * nothing: of a row that is not in use they read or write what nobody may rely on, beyond the last chunk they throw a
 * `TypeError`; a number that its column cannot hold is cut to its bits, as typed arrays do.
 */
export class ArenaTable<S extends TableSchema> {
  /** By name. They stay the same objects as long as the table does. */
  readonly columns: TableColumns<S>
  readonly #memory: Memory
  readonly #schema: S
  #chunkRows: number
  readonly #links: U32Column
  /** In the order of the schema. */
  readonly #values: readonly AnyColumn[]
  readonly #zeros: readonly (number | bigint)[]
  #length = 0
  #end = 0
  #free = NO_ROW

  constructor(memory: Memory, schema: S, options: ArenaTableOptions = {}) {
    checkSchema(schema)
    check.checkOptions('options', options, ['chunkRows'])
    const { chunkRows = CHUNK_ROWS } = options
    check.checkWhole('chunkRows', chunkRows, CHUNK_ROWS_MIN, CHUNK_ROWS_MAX)
    if (!Number.isInteger(Math.log2(chunkRows))) throw check.invalidArgument('chunkRows', 'a power of two', chunkRows)
    this.#memory = memory
    this.#schema = { ...schema }
    this.#chunkRows = chunkRows
    this.#links = new U32Column(chunkRows)
    const columns = Object.entries(schema).map(([name, kind]) => [name, new KINDS[kind].column(chunkRows)] as const)
    this.#values = columns.map(([, column]) => column)
    this.#zeros = Object.values(schema).map((kind) => KINDS[kind].zero)
    this.columns = Object.freeze(Object.fromEntries(columns)) as TableColumns<S>
  }

  /** Rows in use. */
  get length(): number {
    return this.#length
  }

  /** One more than the highest row that was ever in use: the end of a loop over all rows; see `has`. */
  get end(): number {
    return this.#end
  }

  /** Rows for which there is memory. */
  get capacity(): number {
    return this.#links.chunks.length * this.#chunkRows
  }

  /** Rows by which it grows: the option, or what was saved with the table that was restored into it. */
  get chunkRows(): number {
    return this.#chunkRows
  }

  /** Whether a row is in use. */
  has(row: number): boolean {
    return Number.isInteger(row) && row >= 0 && row < this.#end && this.#links.get(row) === IN_USE
  }

  /**
   * Takes a row, whose values are all 0, and returns its number. Throws `ERR_ARENA_FULL` and `ERR_OUT_OF_MEMORY` if the table
   * would have to grow and cannot; it is as it was then.
   */
  insert(): number {
    let row = this.#end
    if (this.#free !== NO_ROW) {
      row = this.#free - FIRST_LINK
      this.#free = this.#links.get(row)
      this.#links.set(row, IN_USE)
      this.#zero(row)
    } else {
      if (row === this.capacity) this.#grow()
      this.#end = row + 1
    }
    this.#length += 1
    return row
  }

  /** Gives a row back. Throws `ERR_INVALID_STATE` if it is not in use. */
  remove(row: number): void {
    if (!this.has(row)) {
      throw new ForksnapError('ERR_INVALID_STATE', `Row ${check.show(row)} is not in use: it cannot be removed`)
    }
    this.#links.set(row, this.#free)
    this.#free = row + FIRST_LINK
    this.#length -= 1
  }

  /** The rows in use, in ascending order. Inserting and removing is allowed meanwhile. */
  *rows(): Generator<number, void> {
    for (let row = 0; row < this.#end; row++) if (this.#links.get(row) === IN_USE) yield row
  }

  /** Removes all rows and frees the memory. */
  clear(): void {
    const arrays = this.#all().flatMap((column): AnyArray[] => column.chunks)
    for (const column of this.#all()) column.reset(this.#chunkRows)
    this.#length = 0
    this.#end = 0
    this.#free = NO_ROW
    freeAll(this.#memory, arrays)
  }

  /**
   * Writes the whole table as a blob of that name, straight from memory, free rows included: numbers of rows stay
   * what they are. With `giveBack` the child cannot read it after that; see `BlobOptions`.
   */
  write(slice: SliceWriter, name: string, options: BlobOptions = {}): void {
    const columns = Object.entries(this.#schema)
    const head = { columns, chunkRows: this.#chunkRows, end: this.#end, length: this.#length, free: this.#free }
    slice.blob(name, [encodeShape(head), ...this.#usedMemory()], options)
  }

  /**
   * For `recover({ blobs: { name: table } })`: restores the table, which must be empty, from such a blob, straight into its
   * memory. Takes over the saved `chunkRows`. Throws `ERR_SCHEMA_MISMATCH` if other columns were saved, or in
   * another order, `ERR_INVALID_STATE`, `ERR_ARENA_FULL`, `ERR_OUT_OF_MEMORY`, `ERR_SLICE_VERSION`, `ERR_SLICE_CORRUPT`; the table is empty then.
   */
  readonly pieces = (bytes: number): BlobSink => {
    this.#checkEmpty()
    return readTable(this.#memory, this.#schema, bytes, (saved) => this.#adopt(saved))
  }

  #adopt({ shape, arrays }: SavedTable): void {
    this.#checkEmpty()
    this.#chunkRows = shape.chunkRows
    for (const column of this.#all()) column.reset(shape.chunkRows)
    this.#append(arrays)
    this.#end = shape.end
    this.#length = shape.length
    this.#free = shape.free
  }

  #checkEmpty(): void {
    if (this.#end === 0) return
    throw new ForksnapError('ERR_INVALID_STATE', 'Only a table without rows can be restored: clear() it first')
  }

  #grow(): void {
    if (this.#end + this.#chunkRows > ROWS_MAX) {
      throw new ForksnapError('ERR_ARENA_FULL', `A table of an arena has at most ${ROWS_MAX} rows`)
    }
    this.#append(newChunk(this.#memory, this.#schema, this.#chunkRows))
  }

  /** The memory of whole chunks, in the order of the columns. */
  #append(arrays: readonly AnyArray[]): void {
    const columns = this.#all()
    arrays.forEach((array, i) => (columns[i % columns.length].chunks as AnyArray[]).push(array))
  }

  /** In the order of the format. */
  #all(): readonly AnyColumn[] {
    return [this.#links, ...this.#values]
  }

  #zero(row: number): void {
    this.#values.forEach((column, i) => column.set(row, this.#zeros[i] as never))
  }

  *#usedMemory(): Generator<AnyArray, void> {
    for (let chunk = 0; chunk * this.#chunkRows < this.#end; chunk++) {
      const rows = Math.min(this.#chunkRows, this.#end - chunk * this.#chunkRows)
      for (const { chunks } of this.#all()) yield chunks[chunk].subarray(0, rows)
    }
  }
}

function checkSchema(schema: TableSchema): void {
  if (typeof schema !== 'object' || schema === null) throw check.invalidArgument('schema', 'an object', schema)
  const columns = Object.entries(schema)
  if (columns.length === 0) throw check.invalidArgument('schema', 'an object with a column at least', schema)
  const known = Object.keys(KINDS)
  for (const [name, kind] of columns) {
    if (/^\d+$/.test(name)) throw check.invalidArgument("a column's name", 'a word, whose order counts', name)
    if (!known.includes(kind)) throw check.invalidArgument(`schema.${name}`, `one of ${known.join(', ')}`, kind)
  }
}

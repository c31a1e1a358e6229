import { ForksnapError } from '../errors'
import { type ColumnSpec, parseColumns, quote } from './columns'
import { ColumnEncoder, encodeNull, type TableRows } from './encode'
import type { RowBuffer } from './row-buffer'
import type { Column, RowValues, TableWriter } from './types'

/** Asked when a row limit is reached. Only the warm-up has one: without it the limit is infinite and never looked at. */
export interface RowGate {
  /** Blobs are written up to this many bytes. */
  readonly blobBytesMax: number
  /** A further table begins; sets the next limit. */
  tableOpened(rows: RowBuffer): void
  /** Returns true if writing may go on, and then has set the next limit. */
  mayGoOn(rows: RowBuffer): boolean
  /** What `row()` throws when writing may not go on. */
  stop(): never
}

/** What a table must know of its writer. */
export interface TableOwner {
  readonly out: RowBuffer
  readonly gate: RowGate | undefined
  /** The table that is open. */
  readonly openTable: TableRows | undefined
  /** Throws `ERR_INVALID_STATE` if the writer has failed or has finished. */
  checkUsable(): void
}

/** A first column that has the same value in every row, and so is no argument of `row()`. */
export interface ConstantColumn {
  readonly column: Column
  /** The value as a COPY field, and a tab. */
  readonly field: Uint8Array
}

export class OpenTable implements TableRows, TableWriter<readonly Column[]> {
  /** All columns, the constant one included. */
  readonly specs: readonly ColumnSpec[]
  private readonly columns: readonly ColumnEncoder[]
  private readonly out: RowBuffer
  private readonly rowsBefore: number
  private readonly constantField: Uint8Array | undefined
  private sealedRows = -1

  /** Throws `ERR_INVALID_VALUE` for columns that a slice cannot hold. */
  constructor(
    readonly name: string,
    columns: readonly Column[],
    private readonly owner: TableOwner,
    constant: ConstantColumn | undefined,
  ) {
    this.out = owner.out
    this.rowsBefore = this.out.rows
    this.constantField = constant?.field
    const own = parseColumns(name, columns)
    this.specs = constant === undefined ? own : parseColumns(name, [constant.column, ...columns])
    this.columns = own.map((spec) => new ColumnEncoder(this, spec))
  }

  /** Rows of this table so far. */
  get rowCount(): number {
    return this.sealedRows < 0 ? this.out.rows - this.rowsBefore : this.sealedRows
  }

  seal(): void {
    this.sealedRows = this.rowCount
  }

  row(...values: unknown[]): void {
    this.write(values)
  }

  rows<T>(items: Iterable<T>, toRow: (item: T) => RowValues<readonly Column[]>): void {
    const out = this.out
    for (const item of items) {
      if (out.rows >= out.stopAt && this.mustLeave()) return
      this.write(toRow(item))
    }
  }

  /** The hot path: one comparison of each kind, and then the encoders. */
  private write(values: readonly unknown[]): void {
    const { out, columns } = this
    if (this.owner.openTable !== this || values.length !== columns.length || out.rows >= out.stopAt) this.lookUp(values)
    // What a row that failed has left is overwritten.
    out.pos = out.rowEnd
    if (this.constantField !== undefined) this.writeConstant(this.constantField)
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]
      const value = values[i]
      if (value === null) encodeNull(out, column)
      else column.encode(out, value, column)
    }
    out.endRow()
  }

  private writeConstant(field: Uint8Array): void {
    const { out } = this
    out.reserve(field.length)
    for (let i = 0; i < field.length; i++) out.bytes[out.pos++] = field[i]
  }

  /** Something is unusual: finds out what, and throws unless the row may be written all the same. */
  private lookUp(values: readonly unknown[]): void {
    const { owner, out } = this
    owner.checkUsable()
    if (owner.openTable !== this) {
      const advice = 'write all rows of a table before you open the next table or blob'
      throw new ForksnapError('ERR_INVALID_STATE', `Table ${quote(this.name)} is sealed: ${advice}`, {
        table: this.name,
      })
    }
    if (owner.gate !== undefined && out.rows >= out.stopAt && !owner.gate.mayGoOn(out)) owner.gate.stop()
    if (values.length === this.columns.length) return
    const row = this.rowCount + 1
    const counts = `got ${values.length} values for ${this.columns.length} columns`
    const message = `Table ${quote(this.name)}, row ${row}: ${counts}`
    throw new ForksnapError('ERR_INVALID_VALUE', message, { table: this.name, row })
  }

  /** Whether `rows()` ends here. Whatever is not the warm-up's limit is left to `write`, which says what is wrong. */
  private mustLeave(): boolean {
    const { gate, out, openTable } = this.owner
    return gate !== undefined && openTable === this && !gate.mayGoOn(out)
  }
}

import type { SliceHandlers } from '../store/store'
import { countLines, RowDecoder } from './decode'
import { corrupt } from './format'
import type { Column, RowFields } from './types'

/**
 * Gives the rows of a table to the handlers, as fields or as arrays of values, as they want them; if they want none, rows
 * are counted but not decoded.
 */
export class RowDelivery {
  private readonly decoder: RowDecoder | undefined
  private readonly onFields: ((fields: RowFields) => void) | undefined
  /** Whether a handler is at work: what it throws is its own. */
  private delivering = false

  /** Tells the handlers that the table begins. */
  constructor(
    private readonly table: string,
    columns: readonly Column[],
    private readonly handlers: SliceHandlers,
  ) {
    handlers.table?.(table, columns)
    this.onFields = handlers.fields?.(table, columns)
    if (handlers.row !== undefined || this.onFields !== undefined) this.decoder = new RowDecoder(table, columns)
  }

  /**
   * Takes whole lines; returns how many they are. Throws what a handler throws as it is, and `ERR_SLICE_CORRUPT` with that
   * offset for what cannot be decoded.
   */
  deliver(lines: Buffer, offset: number): number {
    const { decoder } = this
    if (decoder === undefined) return countLines(lines)
    const before = decoder.rows
    this.delivering = false
    try {
      this.decode(decoder, lines)
    } catch (error) {
      if (this.delivering && error !== decoder.damage) throw error
      throw corrupt(error instanceof Error ? error.message : 'a row cannot be read', offset, error)
    }
    return decoder.rows - before
  }

  private decode(decoder: RowDecoder, lines: Buffer): void {
    const { table, handlers, onFields } = this
    if (onFields !== undefined) {
      decoder.decodeFields(lines, (fields) => {
        this.delivering = true
        onFields(fields)
        this.delivering = false
      })
    } else {
      decoder.decode(lines, (values) => {
        this.delivering = true
        handlers.row?.(table, values)
        this.delivering = false
      })
    }
  }
}

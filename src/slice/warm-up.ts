import { performance } from 'node:perf_hooks'
import type { RowBuffer } from './row-buffer'
import type { RowGate } from './table-writer'
import type { SliceWriter } from './types'
import { createLimitedWriter, nullTarget, type SliceWriterOptions } from './writer'

/**
 * A function that V8 has not optimised before the fork stays slow in the child, where no concurrent compiler ever ends.
 * So the user's `write` runs in the parent first, over the live state, against a target that keeps nothing: through the
 * very classes and functions that the child will run, so that what V8 learns carries over.
 */

export interface WarmUpBudget {
  /** Most rows of the pass; each further table gets a few more. */
  readonly rows: number
  /** Most milliseconds of the pass; further tables may add half as many. */
  readonly ms: number
}

export interface WarmUpResult {
  /** Rows that were written. */
  readonly rows: number
  /** Whether `write` came to its end without being stopped. */
  readonly complete: boolean
}

/**
 * One pass of the user's `write`, bounded in rows and time. When the budget is used up, `rows()` leaves its table early
 * and `write` goes on with the next one, while `row()` throws to end the pass. What `write` throws of its own passes
 * through; once it has been stopped, its errors are taken for a consequence of that.
 */
export function warmUpPass(
  write: (slice: SliceWriter) => void,
  budget: WarmUpBudget,
  options: Omit<SliceWriterOptions, 'onProgress'>,
): WarmUpResult {
  const gate = new WarmUpGate(budget)
  const writer = createLimitedWriter(options, nullTarget(), gate)
  try {
    write(writer)
    // The last rows are still in the buffer: checksum and compression have to be warm, too.
    writer.finish()
  } catch (error) {
    if (!gate.threw) throw error
  }
  return { rows: writer.rows, complete: !gate.stopped }
}

/** How often the clock is looked at, in rows. */
const CLOCK_ROWS = 64
/** What a table gets that begins after the budget is used up. */
const EXTRA_ROWS = 256
const BLOB_BYTES_MAX = 64 * 1024

/** Thrown by `row()`; not an Error, since making a stack trace for each row of a stubborn loop would cost time. */
const STOP = { toString: () => 'the end of the warm-up (forksnap stops write() early; let this pass through)' }

class WarmUpGate implements RowGate {
  readonly blobBytesMax = BLOB_BYTES_MAX
  /** Whether anything was left out. */
  stopped = false
  /** Whether `row()` threw. */
  threw = false

  private rowsMax: number
  private readonly began = performance.now()

  constructor(private readonly budget: WarmUpBudget) {
    this.rowsMax = budget.rows
  }

  tableOpened(rows: RowBuffer): void {
    if (this.threw) return
    const late = rows.rows >= this.rowsMax || this.elapsed() >= this.budget.ms
    if (late) this.rowsMax = this.elapsed() < 1.5 * this.budget.ms ? rows.rows + EXTRA_ROWS : rows.rows
    this.late = late
    this.setLimit(rows)
  }

  mayGoOn(rows: RowBuffer): boolean {
    const ms = this.late ? 1.5 * this.budget.ms : this.budget.ms
    if (rows.rows >= this.rowsMax || this.elapsed() >= ms) {
      this.stopped = true
      return false
    }
    this.setLimit(rows)
    return true
  }

  stop(): never {
    this.threw = true
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- not an error of anybody's, and must be cheap.
    throw STOP
  }

  /** Whether the table that is open got the extra rows. */
  private late = false

  private setLimit(rows: RowBuffer): void {
    rows.stopAt = Math.min(this.rowsMax, rows.rows + CLOCK_ROWS)
  }

  private elapsed(): number {
    return performance.now() - this.began
  }
}

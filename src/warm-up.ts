import { setImmediate } from 'node:timers/promises'
import { isThenable } from './checks'
import type { WarmUpOptions } from './options'
import type { SliceWriter } from './slice/types'
import { warmUpPass } from './slice/warm-up'
import type { SliceWriterOptions } from './slice/writer'

export interface WarmUpReport {
  readonly rows: number
  readonly ms: number
  /** The longest that one pass kept the event loop from turning. */
  readonly longestPassMs: number
}

/**
 * Runs `write` in the parent against nothing before the first forks, so that V8 has optimised it and the encoders: a
 * child compiles nothing in the background, and code that is cold at the fork stays many times slower there. It goes
 * in short passes over the live state, with turns of the event loop between them, until its budget of rows or time is
 * spent. A state too small to spend it is passed once before each save, so that one that grows is caught up with.
 */
export class WarmUp {
  readonly #passMs: number
  #rowsLeft: number
  #msLeft: number

  constructor(options: Required<WarmUpOptions> | undefined) {
    this.#passMs = options?.passMs ?? 0
    this.#rowsLeft = options?.rows ?? 0
    this.#msLeft = options?.ms ?? 0
  }

  async run(
    write: (slice: SliceWriter) => undefined,
    options: SliceWriterOptions,
    signal: AbortSignal,
  ): Promise<WarmUpReport> {
    let [rows, ms, longestPassMs] = [0, 0, 0]
    while (this.#rowsLeft > 0 && this.#msLeft > 0 && !signal.aborted) {
      const pass = this.#pass(write, options)
      rows += pass.rows
      ms += pass.ms
      longestPassMs = Math.max(longestPassMs, pass.ms)
      await setImmediate()
      if (pass.complete) break
    }
    return { rows, ms, longestPassMs }
  }

  #pass(write: (slice: SliceWriter) => undefined, options: SliceWriterOptions) {
    const begun = performance.now()
    const budget = { rows: this.#rowsLeft, ms: Math.min(this.#passMs, this.#msLeft) }
    const { rows, complete } = this.#tryPass(write, budget, options)
    const ms = performance.now() - begun
    this.#rowsLeft -= rows
    this.#msLeft -= ms
    return { rows, complete, ms }
  }

  /** What `write` does wrong it does in the child as well, where it is reported: here it only ends the warm-up. */
  #tryPass(
    write: (slice: SliceWriter) => undefined,
    budget: { rows: number; ms: number },
    options: SliceWriterOptions,
  ) {
    try {
      return warmUpPass((slice) => this.#refusePromise(write(slice)), budget, options)
    } catch {
      this.#rowsLeft = 0
      return { rows: 0, complete: true }
    }
  }

  #refusePromise(result: unknown): void {
    if (!isThenable(result)) return
    // The cut-short writer makes it reject, which nobody is to hear of: the child refuses the promise by itself.
    result.then(undefined, () => {})
    this.#rowsLeft = 0
  }
}

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

/** A pass that is this much longer than it should be was not cut short by the rows: `write` does other work as well. */
const OVERRUN_MS = 50
/** At most so many saves in a row go without a warm-up after overruns. */
const SAVES_LEFT_OUT_MAX = 63

/**
 * Runs `write` in the parent against nothing before each fork, so that V8 has optimised it and the encoders: code that is
 * cold at the fork is many times slower in the child until V8's workers there have optimised it, and for ever without
 * them. Once is not enough: a full collection in the parent throws optimised code away that has not run since, and then
 * the second save was measured to take ten times as long as the first. Later warm-ups end as soon as the code is as fast
 * as before.
 *
 * It goes in short passes over the live state, with turns of the event loop between them, within a budget of rows and
 * time. Only rows can be cut short. Where a pass overruns all the same, the warm-up ends, and the more overruns follow
 * one another the more saves go without one.
 */
export class WarmUp {
  readonly #budget: Required<WarmUpOptions> | undefined
  readonly #pace = new Pace()
  #overruns = 0
  #savesToLeaveOut = 0
  /** Whether the present save goes without, or without another one. */
  #leftOut = false

  constructor(options: Required<WarmUpOptions> | undefined) {
    this.#budget = options
  }

  /** Comes once for each save, which may warm up several times, and before the first of them. */
  begin(): void {
    this.#leftOut = this.#savesToLeaveOut > 0
    if (this.#leftOut) this.#savesToLeaveOut--
  }

  async run(
    write: (slice: SliceWriter) => undefined,
    options: SliceWriterOptions,
    signal: AbortSignal,
  ): Promise<WarmUpReport> {
    let [rows, ms, longestPassMs] = [0, 0, 0]
    const budget = this.#budget
    if (budget === undefined || this.#leftOut) return { rows, ms, longestPassMs }
    this.#pace.begin()
    while (rows < budget.rows && ms < budget.ms && !signal.aborted) {
      const left = { rows: budget.rows - rows, ms: Math.min(budget.passMs, budget.ms - ms) }
      const pass = timedPass(write, left, options)
      rows += pass.rows
      ms += pass.ms
      longestPassMs = Math.max(longestPassMs, pass.ms)
      await setImmediate()
      this.#pace.add(pass.rows, pass.ms)
      if (pass.ended || this.#pace.warm || pass.ms > budget.passMs + OVERRUN_MS) break
    }
    this.#judge(longestPassMs > budget.passMs + OVERRUN_MS)
    return { rows, ms, longestPassMs }
  }

  #judge(overrun: boolean): void {
    this.#leftOut = overrun
    this.#overruns = overrun ? this.#overruns + 1 : 0
    this.#savesToLeaveOut = Math.min(2 ** this.#overruns - 1, SAVES_LEFT_OUT_MAX)
  }
}

/** A pass is about as fast as the fastest one from this share of its speed on; code that is not optimised is far below. */
const WARM_SHARE = 0.7
/** So many such passes must follow one another. */
const WARM_PASSES = 2

/** Judges by the speed of the passes whether code is still optimised. Speeds are in rows per millisecond. */
export class Pace {
  #best = 0
  #bestBefore = 0
  #fastInARow = 0

  /** A new warm-up begins; its passes are compared with those of the ones before. */
  begin(): void {
    this.#bestBefore = this.#best
    this.#fastInARow = 0
  }

  add(rows: number, ms: number): void {
    if (rows === 0 || ms <= 0) return
    const speed = rows / ms
    this.#best = Math.max(this.#best, speed)
    this.#fastInARow = speed >= WARM_SHARE * this.#best ? this.#fastInARow + 1 : 0
  }

  /** Never in the first warm-up, which has nothing to compare with and spends its budget. */
  get warm(): boolean {
    return this.#bestBefore > 0 && this.#fastInARow >= WARM_PASSES
  }
}

function timedPass(
  write: (slice: SliceWriter) => undefined,
  budget: { rows: number; ms: number },
  options: SliceWriterOptions,
) {
  const begun = performance.now()
  const { rows, complete } = tryPass(write, budget, options)
  return { rows, ended: complete, ms: performance.now() - begun }
}

/** What `write` does wrong it does in the child as well, where it is reported: here it only ends the warm-up. */
function tryPass(
  write: (slice: SliceWriter) => undefined,
  budget: { rows: number; ms: number },
  options: SliceWriterOptions,
) {
  let promised = false
  try {
    const pass = warmUpPass((slice) => void (promised = ignorePromise(write(slice))), budget, options)
    return { rows: pass.rows, complete: pass.complete || promised }
  } catch {
    return { rows: 0, complete: true }
  }
}

/** Nobody is to hear of the rejection of an async `write` that was cut short: the child refuses the promise by itself. */
function ignorePromise(result: unknown): boolean {
  if (!isThenable(result)) return false
  result.then(undefined, () => {})
  return true
}

/** Exponential back-off. A pure function, so that the same rule serves every retry. */

export interface BackOff {
  /** Wait before the first retry, in milliseconds. */
  readonly initialMs: number
  /** No wait is longer than this, in milliseconds. */
  readonly maxMs: number
  /** Each wait is this many times as long as the one before; at least 1. */
  readonly factor: number
}

/** The wait before the retry that follows the given number of failures in a row (counted from 1), in milliseconds. */
export function backOffMs(failures: number, { initialMs, maxMs, factor }: BackOff): number {
  return Math.min(maxMs, initialMs * factor ** (failures - 1))
}

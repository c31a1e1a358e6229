import type { Random } from '../../examples/exchange/random'
import { isForksnapError } from '../../src/errors'

/** What was asked of a reader and did not hold. */
class Violation extends Error {}

export function hold(condition: boolean, what: string): void {
  if (!condition) throw new Violation(what)
}

/** One input: a sound one with a name, and what is done to it. */
export interface Case<Step = readonly unknown[]> {
  readonly seed: string
  readonly steps: readonly Step[]
}

/** A reader of bytes that come from outside. */
export interface Target<Step = readonly unknown[]> {
  readonly name: string
  draw(random: Random): Case<Step>
  /** Reads the input; what came of it, in a few words. Throws a `Violation`, or what a reader must not throw. */
  run(input: Case<Step>): Promise<string>
}

/** The code of an error that a reader may throw, and its message without what is particular to the input. */
export function outcomeOf(error: unknown, allowed: readonly string[]): string {
  if (!isForksnapError(error)) throw error
  hold(allowed.includes(error.code), `it threw ${error.code}: ${error.message}`)
  const text = error.message
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\/[^\s;]*/g, 'PATH')
    .replace(/\d+/g, '#')
    .replace(/^At byte #: /, '')
  // What to do about it is told behind.
  return `${error.code} ${text.split(/[;.] /)[0]}`
}

/** Runs the work, and says how many bytes of buffers were taken meanwhile; what was collected in between is missing. */
export async function buffersTakenBy<T>(work: () => T | Promise<T>): Promise<{ result: T; bytes: number }> {
  const before = process.memoryUsage().arrayBuffers
  const result = await work()
  return { result, bytes: process.memoryUsage().arrayBuffers - before }
}

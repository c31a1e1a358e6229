import { ExchangeError } from '../errors'

/** Both are below what the logs take by default, so that `append` has room for whatever is admitted here. */
const ENTRIES_MAX = 50_000
const BYTES_MAX = 32 * 1024 * 1024

/** A UTF-16 unit takes at most six bytes of JSON (`\u001f`); names, numbers and the frame fit into the rest. */
const BYTES_PER_UNIT = 6
const BYTES_PER_ENTRY = 512

/**
 * Bounds the operations that are applied and not yet durable, in number and in memory. An operation is applied before it
 * is appended, so a log without room for it would be too late to find out.
 */
export class Backlog {
  #entries = 0
  #bytes = 0

  get entries(): number {
    return this.#entries
  }

  /** Takes room for one operation and returns how much. Throws RESOURCE_EXHAUSTED if there is none. */
  take(params: object): number {
    const bytes = bytesAtMost(params)
    if (this.#entries >= ENTRIES_MAX || this.#bytes + bytes > BYTES_MAX) {
      throw new ExchangeError('RESOURCE_EXHAUSTED', 'too many operations wait to become durable; try again later')
    }
    this.#entries++
    this.#bytes += bytes
    return bytes
  }

  release(bytes: number): void {
    this.#entries--
    this.#bytes -= bytes
  }
}

function bytesAtMost(params: object): number {
  let units = 0
  for (const value of Object.values(params)) if (typeof value === 'string') units += value.length
  return BYTES_PER_ENTRY + units * BYTES_PER_UNIT
}

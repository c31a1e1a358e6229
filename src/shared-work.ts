import { ForksnapError } from './errors'

/** The error for a caller whose `AbortSignal` ended its wait. */
export function abortedBy(signal: AbortSignal): ForksnapError {
  return new ForksnapError('ERR_ABORTED', 'Aborted by the caller', { cause: signal.reason })
}

/** Throws `ERR_ABORTED` if the signal has been given. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortReason(signal)
}

/** The reason as it was given if it is one of ours, else an `ERR_ABORTED` with it as the cause. */
export function abortReason(signal: AbortSignal): ForksnapError {
  return signal.reason instanceof ForksnapError ? signal.reason : abortedBy(signal)
}

/** Waits for a promise, or rejects with `ERR_ABORTED` as soon as the signal is given. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfAborted(signal)
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortReason(signal))
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}

/**
 * A piece of work that several callers wait for, each with a signal of its own. A caller that aborts leaves the work
 * running for the others; when the last one has left, the work itself is aborted. Work that is pinned was asked for by
 * the schedule, which never leaves.
 */
export class SharedWork<T> {
  readonly #work: (signal: AbortSignal) => Promise<T>
  readonly #controller = new AbortController()
  readonly #result: Promise<T>
  #settle!: (outcome: Promise<T>) => void
  #callers = 0
  #pinned = false
  #started = false

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#work = work
    this.#result = new Promise((resolve) => (this.#settle = resolve))
    // Work that only the schedule asked for has nobody who would look at its rejection.
    this.#result.catch(() => {})
  }

  /** Whether the work was told to end. It may still succeed if it was beyond the point of return. */
  get aborting(): boolean {
    return this.#controller.signal.aborted
  }

  /** Settles when the work is over, and never rejects. */
  get settled(): Promise<unknown> {
    return this.#result.catch(() => undefined)
  }

  pin(): void {
    this.#pinned = true
  }

  /** Begins. Work whose callers all left before it began is rejected without having run. */
  start(): void {
    if (this.#started) return
    this.#started = true
    const { signal } = this.#controller
    this.#settle(signal.aborted ? Promise.reject(abortReason(signal)) : this.#work(signal))
  }

  /** Ends the work for everybody. */
  abort(reason: ForksnapError): void {
    if (!this.aborting) this.#controller.abort(reason)
  }

  /**
   * Waits for the work. The last caller to abort gets the work's own outcome, once it has really ended: usually
   * `ERR_ABORTED`, but the result if that came first.
   */
  async join(signal?: AbortSignal): Promise<T> {
    if (signal === undefined) {
      this.#callers++
      return this.#result
    }
    throwIfAborted(signal)
    this.#callers++
    let leave: (() => void) | undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        leave = () => this.#leave(signal, reject)
        signal.addEventListener('abort', leave, { once: true })
        this.#result.then(resolve, reject)
      })
    } finally {
      if (leave !== undefined) signal.removeEventListener('abort', leave)
    }
  }

  #leave(signal: AbortSignal, reject: (error: ForksnapError) => void): void {
    this.#callers--
    if (this.#callers > 0 || this.#pinned) {
      reject(abortedBy(signal))
      return
    }
    this.abort(abortedBy(signal))
    // Work that waits for its turn has nothing to clean up, so there is nothing to wait for.
    if (!this.#started) reject(abortedBy(signal))
  }
}

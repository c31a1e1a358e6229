/** Runs asynchronous pieces of work one after the other, in the order in which they were asked for. */
export class Exclusive {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined) // The caller gets the error; the next in line only waits.
    return result
  }
}

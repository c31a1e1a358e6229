/** When each answered request was due, was sent and was answered, side by side, in milliseconds since the epoch. */
export interface Samples {
  readonly count: number
  readonly intended: Float64Array
  readonly sent: Float64Array
  readonly done: Float64Array
}

const CAPACITY = 1 << 14

/** Collects samples without an object for each: a minute of load must not become work for the collector. */
export class SampleRecorder {
  private intended = new Float64Array(CAPACITY)
  private sent = new Float64Array(CAPACITY)
  private done = new Float64Array(CAPACITY)
  private count = 0

  /** All three by `performance.now()`. */
  add(intendedMs: number, sentMs: number, doneMs: number): void {
    if (this.count === this.done.length) this.grow()
    const { timeOrigin } = performance
    this.intended[this.count] = timeOrigin + intendedMs
    this.sent[this.count] = timeOrigin + sentMs
    this.done[this.count] = timeOrigin + doneMs
    this.count++
  }

  get samples(): Samples {
    const { count } = this
    const cut = (array: Float64Array): Float64Array => array.slice(0, count)
    return { count, intended: cut(this.intended), sent: cut(this.sent), done: cut(this.done) }
  }

  private grow(): void {
    const twice = (array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(2 * array.length)
      larger.set(array)
      return larger
    }
    this.intended = twice(this.intended)
    this.sent = twice(this.sent)
    this.done = twice(this.done)
  }
}

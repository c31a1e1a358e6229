/** State of a generator: four unsigned 32-bit numbers, not all zero. */
export type RandomState = readonly [number, number, number, number]

/**
 * Reproducible pseudo-random numbers (xorshift with 128 bits of state). Its state is four numbers that JSON can hold, so
 * that a flow goes on after a restart exactly where it was. Not for secrets.
 */
export class Random {
  private words: [number, number, number, number]

  constructor(state: RandomState) {
    if (state.every((word) => word === 0)) throw new RangeError('the state of a generator cannot be all zero')
    this.words = state.map((word) => word | 0) as [number, number, number, number]
  }

  /** A generator for a seed: any whole number. */
  static seeded(seed: number): Random {
    const random = new Random([seed | 0, Math.floor(seed / 2 ** 32) | 0, 0x2545f491, 0x6c8e9cf5])
    for (let i = 0; i < 16; i++) random.word()
    return random
  }

  get state(): RandomState {
    return this.words.map((word) => word >>> 0) as [number, number, number, number]
  }

  /** From 0 up to, but not including, 1, in steps of 2^-32. */
  fraction(): number {
    return this.word() / 2 ** 32
  }

  /** A whole number from 0 to `count - 1`; `count` is at most 2^32. */
  below(count: number): number {
    return Math.floor(this.fraction() * count)
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  private word(): number {
    const [first, second, third, fourth] = this.words
    let mixed = fourth ^ (fourth << 11)
    mixed ^= mixed >>> 8
    this.words[3] = third
    this.words[2] = second
    this.words[1] = first
    this.words[0] = mixed ^ first ^ (first >>> 19)
    return this.words[0] >>> 0
  }
}

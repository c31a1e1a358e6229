/** Random numbers that a seed gives again (mulberry32): rounds are told by their seed. */
export class Draw {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 up to 1. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `from` to `to`. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.#next() * (to - from + 1))
  }

  /** A whole number from 1 to `to`, small ones as likely as large ones. */
  scale(to: number): number {
    return Math.min(to, Math.floor(to ** this.#next()))
  }

  seed(): number {
    return this.whole(0, 2 ** 31 - 1)
  }

  one<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.whole(0, choices.length - 1)] ?? choices[0]
  }

  chance(percent: number): boolean {
    return this.#next() * 100 < percent
  }
}

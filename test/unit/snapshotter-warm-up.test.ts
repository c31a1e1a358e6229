import { Pace } from '../../src/warm-up'

/** Adds passes of so many rows in a millisecond each; returns after how many of them the code was taken for warm. */
function passesUntilWarm(pace: Pace, rows: readonly number[]): number {
  pace.begin()
  for (const [index, each] of rows.entries()) {
    pace.add(each, 1)
    if (pace.warm) return index + 1
  }
  return Infinity
}

describe('Pace', () => {
  it('never takes the first warm-up’s code for warm', () => {
    expect(passesUntilWarm(new Pace(), [10, 1_000, 1_000, 1_000])).toBe(Infinity)
  })

  it('takes code for warm after two passes in a row that are about as fast as the fastest before', () => {
    const pace = new Pace()
    passesUntilWarm(pace, [10, 1_000])
    expect(passesUntilWarm(pace, [800, 900, 1])).toBe(2)
    expect(passesUntilWarm(pace, [100, 750, 300, 720, 710])).toBe(5)
    expect(passesUntilWarm(pace, [690, 690, 690])).toBe(Infinity)
  })

  it('ignores passes without rows', () => {
    const pace = new Pace()
    passesUntilWarm(pace, [1_000])
    expect(passesUntilWarm(pace, [0, 1_000, 0, 1_000])).toBe(4)
    const never = new Pace()
    passesUntilWarm(never, [0, 0])
    expect(passesUntilWarm(never, [500, 500, 500])).toBe(Infinity)
  })
})

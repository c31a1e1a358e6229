import fc from 'fast-check'
import { backOffMs } from '../../src/back-off'
import { nextChangesThreshold, savePointDueMs } from '../../src/save-points'

// Redis's own defaults: save 3600 1 300 100 60 10000.
const REDIS = [
  { seconds: 3600, changes: 1 },
  { seconds: 300, changes: 100 },
  { seconds: 60, changes: 10_000 },
]

describe('savePointDueMs', () => {
  it.each([
    [0, 10_000_000, undefined],
    [1, 0, 3_600_000],
    [99, 300_000, 3_300_000],
    [100, 0, 300_000],
    [100, 299_999, 1],
    [100, 300_000, 0],
    [10_000, 59_000, 1_000],
    [10_000, 999_999, 0],
  ])('with Redis’s save points, %i changes and %i ms since the save: due in %s ms', (changes, sinceMs, due) => {
    expect(savePointDueMs(REDIS, changes, sinceMs)).toBe(due)
  })

  it('never is due without points', () => {
    expect(savePointDueMs([], 1_000_000, 1_000_000)).toBeUndefined()
  })

  it('is due now exactly if some point has both its changes and its seconds', () => {
    const point = fc.record({ seconds: fc.integer({ min: 1, max: 100 }), changes: fc.integer({ min: 1, max: 100 }) })
    fc.assert(
      fc.property(fc.array(point), fc.nat(120), fc.nat(120_000), (points, changes, sinceMs) => {
        const due = points.some((each) => changes >= each.changes && sinceMs >= each.seconds * 1000)
        expect(savePointDueMs(points, changes, sinceMs) === 0).toBe(due)
      }),
    )
  })
})

describe('nextChangesThreshold', () => {
  it.each([
    [0, 1],
    [1, 100],
    [100, 10_000],
    [10_000, Infinity],
  ])('after %i changes the next that matter are %d', (changes, threshold) => {
    expect(nextChangesThreshold(REDIS, changes)).toBe(threshold)
  })

  it('misses no change of the answer', () => {
    const point = fc.record({ seconds: fc.integer({ min: 1, max: 9 }), changes: fc.integer({ min: 1, max: 30 }) })
    fc.assert(
      fc.property(fc.array(point), fc.nat(40), fc.nat(40), (points, changes, more) => {
        fc.pre(changes + more < nextChangesThreshold(points, changes))
        expect(savePointDueMs(points, changes + more, 500)).toBe(savePointDueMs(points, changes, 500))
      }),
    )
  })
})

describe('backOffMs', () => {
  it('grows by the factor up to the longest wait', () => {
    const waits = [1, 2, 3, 4, 5, 6, 5_000].map((n) => backOffMs(n, { initialMs: 5_000, maxMs: 60_000, factor: 2 }))
    expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000])
  })

  it('stays the same with a factor of 1', () => {
    expect(backOffMs(1_000_000, { initialMs: 7, maxMs: 9, factor: 1 })).toBe(7)
  })
})

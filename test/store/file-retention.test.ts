import fc from 'fast-check'
import { checkKeepPolicy, type KeepPolicy, slicesToRemove } from '../../src/store/retention'
import { codeThrown } from '../helpers/store-slices'

const NOW_MS = 1_000_000

/** Slices newest first, with ids counting down to 1, of the given ages. */
function slices(...agesMs: number[]): { sliceId: bigint; createdAt: Date }[] {
  return agesMs.map((age, index) => ({ sliceId: BigInt(agesMs.length - index), createdAt: new Date(NOW_MS - age) }))
}

function removedIds(agesMs: number[], policy: KeepPolicy, goodId = BigInt(agesMs.length)): bigint[] {
  return slicesToRemove(slices(...agesMs), policy, goodId, NOW_MS).map((slice) => slice.sliceId)
}

describe('slicesToRemove', () => {
  it('keeps the newest by count', () => {
    expect(removedIds([0, 1, 2, 3], { count: 2 })).toEqual([2n, 1n])
  })

  it('keeps the young by age, the limit itself included', () => {
    expect(removedIds([0, 10, 11, 12], { maxAgeMs: 10 })).toEqual([2n, 1n])
  })

  it('removes what is beyond either limit', () => {
    expect(removedIds([0, 1, 50], { count: 2, maxAgeMs: 100 })).toEqual([1n])
    expect(removedIds([0, 200, 201], { count: 2, maxAgeMs: 100 })).toEqual([2n, 1n])
  })

  it('keeps everything without limits', () => {
    expect(removedIds([0, 1e9, 1e12], {})).toEqual([])
  })

  it('keeps the newest good slice beyond both limits', () => {
    expect(removedIds([500, 600, 700], { count: 1, maxAgeMs: 10 }, 2n)).toEqual([3n, 1n])
  })

  it('keeps a slice from the future, since clocks go back', () => {
    expect(removedIds([-5000, 1], { maxAgeMs: 10 })).toEqual([])
  })

  it('never removes all, nor the newest good one, nor within both limits', () => {
    const ages = fc.array(fc.integer({ min: -10, max: 100 }), { minLength: 1, maxLength: 8 })
    const policy = fc.record({ count: fc.integer({ min: 1, max: 9 }), maxAgeMs: fc.integer({ min: 1, max: 100 }) })
    fc.assert(
      fc.property(ages, policy, fc.nat(), (agesMs, keep, pick) => {
        const all = slices(...agesMs)
        const goodId = BigInt((pick % all.length) + 1)
        const removed = new Set(slicesToRemove(all, keep, goodId, NOW_MS).map((slice) => slice.sliceId))
        all.forEach((slice, index) => {
          const within = index < keep.count && NOW_MS - slice.createdAt.getTime() <= keep.maxAgeMs
          expect(removed.has(slice.sliceId)).toBe(!within && slice.sliceId !== goodId)
        })
      }),
    )
  })
})

describe('checkKeepPolicy', () => {
  it.each([{}, { count: 1 }, { maxAgeMs: 0.5 }, { count: 7, maxAgeMs: 1 }])('accepts %j', (policy) => {
    expect(() => checkKeepPolicy(policy)).not.toThrow()
  })

  it.each([{ count: 0 }, { count: -1 }, { count: 1.5 }, { count: NaN }, { maxAgeMs: 0 }, { maxAgeMs: Infinity }])(
    'refuses %p',
    (policy) => {
      expect(codeThrown(() => checkKeepPolicy(policy))).toBe('ERR_INVALID_ARGUMENT')
    },
  )
})

import { runFixture } from '../helpers/store-fixture'

// Under a sanitizer every pass takes so long that saves go without a warm-up.
const testWithoutSanitizer = /lib[at]san/.test(process.env.LD_PRELOAD ?? '') ? test.skip : test

testWithoutSanitizer(
  'a full collection between the warm-up and the fork brings another warm-up, at most three in all',
  () => {
    // A state this small is passed once in each warm-up.
    const { warmUps, rows } = runFixture('warm-up-collected', ['count']) as { warmUps: number; rows: number }
    expect(rows).toBe(100)
    expect(warmUps).toBeGreaterThan(1)
    expect(warmUps).toBeLessThanOrEqual(3)
  },
)

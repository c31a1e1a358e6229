import { runFixture } from '../helpers/store-fixture'

test('a full collection between the warm-up and the fork brings another warm-up, at most three in all', () => {
  // A state this small is passed once in each warm-up.
  expect(runFixture('warm-up-collected', ['count'])).toEqual({ quiet: 1, collected: 3, rows: 100 })
})

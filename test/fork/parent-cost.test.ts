import { usesGlibc } from '../../src/libc'
import { runFixture } from '../helpers/fixture'
import { onLinux } from '../helpers/platform'

describe('what a child costs its parent', () => {
  it('is counted: page faults of both, and what was copied', async () => {
    expect(await runFixture('parent-cost', ['faults'])).toEqual({
      idle: true,
      writing: true,
      ofTheChildOnly: true,
      child: [true, true],
      // Elsewhere nobody tells which pages are shared.
      cow: [onLinux, onLinux],
      pause: true,
    })
  })

  it('is counted: collections of both, and the delay of the event loop', async () => {
    expect(await runFixture('parent-cost', ['collections'])).toEqual({
      young: true,
      full: true,
      tookTime: true,
      childFull: true,
      gap: true,
      ordered: true,
    })
  })
})

/** Another allocator, such as that of a sanitizer, keeps what it keeps. */
const withMallocOfGlibc = usesGlibc() && process.env.ASAN_OPTIONS === undefined ? it : it.skip

withMallocOfGlibc('memory that malloc keeps without need goes back to the system before the fork', async () => {
  expect(await runFixture('parent-cost', ['kept'])).toEqual({ blocks: 40, given: true })
})

it('full collections are put off while a child lives, within bounds, and come afterwards', async () => {
  expect(await runFixture('parent-cost', ['deferred'])).toEqual({
    allowed: true,
    putOff: { began: false, comesLater: true },
    bounded: true,
  })
})

it('full collections are allowed again whatever becomes of the fork', async () => {
  const failed = { failed: true, asked: [true, false] }
  expect(await runFixture('parent-cost', ['allowedAgain'])).toEqual({
    threw: failed,
    killed: failed,
    abortedLater: failed,
    busy: failed,
    // Each asks; it ends with the last of them.
    both: [true, true, false],
  })
})

it('marking that has begun is waited for, unless the caller has changed his mind', async () => {
  expect(await runFixture('parent-cost', ['marking'])).toEqual({ aborted: true, waited: false, beside: 0 })
})

it('marking is seen that began before anybody looked, until V8 has ended it', async () => {
  expect(await runFixture('parent-cost', ['markingUnseen'])).toEqual({ during: true, after: false })
})

it('one look is enough where V8 is not marking; who comes while full collections are put off does not wait again', async () => {
  expect(await runFixture('parent-cost', ['looks'])).toEqual({ alone: 1, both: 1, beside: 0, save: 1 })
})

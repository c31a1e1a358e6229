import { runFixture } from '../helpers/fixture'
import { describeOnLinux } from '../helpers/platform'

const run = (...args: string[]): Promise<unknown> => runFixture('fork-hold', args)

describe('a thread of the pool that waits on a lock', () => {
  it('lets others work while the attempt goes on, and all is well once it comes back', async () => {
    expect(await run('lockedPool')).toEqual({
      order: ['stat', 'attempt'],
      failure: {
        code: 'ERR_NOT_QUIESCENT',
        message: expect.stringContaining("waited for libuv's thread pool") as string,
      },
      read: 1,
      next: 'next',
    })
  })
})

const work = '200000 true 64'

describeOnLinux('threads of the pool that are in a system call that lasts', () => {
  it.each([
    ['1', 'first'],
    ['1', 'later'],
    ['2', 'later'],
    ['4', 'first'],
    ['4', 'later'],
  ])('%s of 4, at the %s fork: they are left where they are', async (blocked, when) => {
    expect(await run('blockedPool', blocked, when)).toEqual({
      order: ['forked', 'opened'],
      outcomes: [work, work, work],
      read: 1,
      next: 'next',
    })
  })

  it('one that comes back between the look and the fork is noticed', async () => {
    expect(await run('blockedThenBack')).toEqual({ value: work, prepared: 2, read: 1, next: 'next' })
  })
})

describe('a pool of four threads is parked whole', () => {
  it.each([
    ['8', 'beforeLoading'],
    ['1', 'beforeLoading'],
    ['8', 'afterLoading'],
    ['1', 'afterLoading'],
  ])('after UV_THREADPOOL_SIZE was set to %s, %s the addon', async (size, when) => {
    expect(await run('poolOfFour', size, when)).toEqual({ parked: 4 })
  })
})

describe('a busy Worker that is registered', () => {
  it('may be waited for by the main thread, blocked, in each turn of the loop: the process is forked', async () => {
    expect(await run('atomicsInEachTurn')).toEqual({ registered: true, outcomes: [0, 1, 2] })
  })
})

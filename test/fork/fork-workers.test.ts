import type { Census, Failure } from '../fixtures/fork-kit'
import { Fixture, runFixture } from '../helpers/fixture'
import { itOnLinux } from '../helpers/platform'

const run = <T>(scenario: string): Promise<T> => runFixture<T>('fork-workers', [scenario])

const notQuiescent = (waitedFor: string): object => ({
  code: 'ERR_NOT_QUIESCENT',
  message: expect.stringContaining(waitedFor) as string,
})

describe('Workers', () => {
  it('may start, idle, work and end, parked or not, while the process is forked', async () => {
    const result = await run<{ values: number[]; before: Census; after: Census }>('ends')
    expect(result).toMatchObject({ answer: 'still there?', values: [0, 1, 2, 3, 4, 5, 6, 7, 8], works: true })
    expect(result.after).toEqual(result.before)
  })

  itOnLinux('are not parked while the main thread waits for them, blocked', async () => {
    const outcome = notQuiescent('within 1000 ms')
    expect(await run('atomicsWait')).toMatchObject({ woken: 'ok', outcome, works: true, next: 'next' })
  })

  itOnLinux(
    'that never come to rest: the error says so, everybody else is let go, and the next fork works',
    async () => {
      const failure = notQuiescent('a Worker or another thread')
      expect(await run('neverAtRest')).toMatchObject({ failure, works: true, next: 'next' })
    },
  )
})

describe('the thread pool', () => {
  it('that is busy for too long: the error says so, its work is done, and the next fork works', async () => {
    const failure = notQuiescent("libuv's thread pool")
    expect(await run('busyPool')).toMatchObject({ first: true, failure, works: true, next: 'next' })
  })
})

describe('in the middle of bringing everybody to rest', () => {
  it("the caller's signal lets everybody go, whoever is parked", async () => {
    const each = ['ERR_ABORTED', true]
    expect(await run('abortWhileParked')).toEqual([...each, ...each, 'next'])
  })

  it.each(['exitWithPool', 'exitWithV8'])('process.exit() ends the process: %s', async (when) => {
    const end = await new Fixture('fork-workers', [when]).closed
    expect(end).toMatchObject({ code: 7, signal: null, stderr: '' })
  })

  it('an uncaught error ends the process', async () => {
    const end = await new Fixture('fork-workers', ['uncaught']).closed
    expect(end).toMatchObject({ code: 1, signal: null, stderr: expect.stringContaining('Error: uncaught') as string })
  })

  it('a signal ends the process', async () => {
    expect(await new Fixture('fork-workers', ['killed']).closed).toMatchObject({ code: null, signal: 'SIGTERM' })
  })
})

describe('in a Worker', () => {
  it('every call is refused and says what to do; the main thread is not concerned', async () => {
    const { seen, here } = await run<{ seen: Record<string, Failure | boolean>; here: string }>('fromWorker')
    const { supported, ...calls } = seen
    expect(supported).toBe(false)
    expect(Object.keys(calls).sort()).toEqual(['assertSupported', 'fork', 'forkChild', 'start', 'waitpid'])
    const refused = {
      code: 'ERR_UNSUPPORTED_PLATFORM',
      message: expect.stringMatching(/from the main thread only.*let Workers load "forksnap\/worker"/) as string,
    }
    for (const call of Object.values(calls)) expect(call).toMatchObject(refused)
    expect(here).toBe('main')
  })
})

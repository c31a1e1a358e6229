import { runFixture } from '../helpers/fixture'
import type { Failure, Result } from '../fixtures/fork-faults'

const PREFIX = 'The child failed with exit code'
const INDESCRIBABLE = 'the child threw something that cannot be described'

const failed = (exitCode: number, says: string): object => ({
  code: 'ERR_CHILD_FAILED',
  exitCode,
  message: `${PREFIX} ${exitCode}: ${says}`,
})
const promised = failed(70, 'the work returned a promise; it must be synchronous')
const threw = (message: string, cause: object = {}): object => ({
  ...failed(70, message),
  cause: { type: 'Error', name: 'Error', message, ...cause },
})
const killed = (signal: string): object => ({
  code: 'ERR_CHILD_KILLED',
  signal,
  message: `The child was ended by ${signal}.`,
})

const expected: Record<string, object> = {
  promise: promised,
  rejection: promised,
  thenable: promised,
  exit3: failed(3, 'process.exit(3) was called in the child'),
  exit0: failed(0, 'process.exit(0) was called in the child'),
  exitCode: failed(5, 'process.exit(5) was called in the child'),
  reallyExit: failed(4, 'process.exit(4) was called in the child'),
  abort: failed(70, 'process.abort() was called in the child'),
  overflow: threw('Maximum call stack size exceeded', { name: 'RangeError' }),
  SIGKILL: killed('SIGKILL'),
  SIGTERM: killed('SIGTERM'),
  SIGSEGV: killed('SIGSEGV'),
  SIGABRT: killed('SIGABRT'),
  SIGHUP: killed('SIGHUP'),
  notCloneable: threw('() => undefined could not be cloned.'),
  tooLarge: failed(70, 'the returned value is larger than 1 MiB when serialized'),
  stalled: {
    code: 'ERR_CHILD_STALLED',
    signal: 'SIGKILL',
    message: 'The child made no progress for 200 ms (stallMs) and was killed.',
  },
  'throw error': threw('the writer threw', { name: 'TypeError' }),
  'throw ownError': threw('row 7 is bad', { type: 'ForksnapError', name: 'ForksnapError', code: 'ERR_INVALID_VALUE' }),
  'throw system': threw('disk', { code: 'ENOSPC' }),
  'throw foreign': threw('from another realm', { name: 'RangeError' }),
  'throw string': threw('just text'),
  'throw undefined': threw('undefined'),
  'throw null': threw('null'),
  'throw symbol': threw('Symbol(sym)'),
  'throw bare': threw(INDESCRIBABLE),
  'throw nul': threw('before\0after'),
  'throw surrogate': threw('broken \ud800 text'),
  'throw hostileMessage': threw(INDESCRIBABLE),
  'throw hostileName': threw('hostile'),
  'throw hostileStack': threw('hostile'),
  'throw hostileProxy': threw(INDESCRIBABLE),
  'throw overflowInGetter': threw(INDESCRIBABLE),
  'throw exitInGetter': failed(9, 'process.exit(9) was called in the child'),
}

describe('a child that fails', () => {
  let result: Result

  beforeAll(async () => {
    // A small heap, so that the child that fills it does so soon.
    result = await runFixture<Result>('fork-faults', ['all'], { nodeOptions: ['--max-old-space-size=96'] })
  }, 120_000)

  it.each(Object.keys(expected))('%s: the error says how it ended', (name) => {
    expect(result.failures[name]?.failure).toEqual(expected[name])
  })

  it('out of memory: the error says what to do', () => {
    const failure = result.failures.outOfMemory?.failure as Failure
    expect(failure).toMatchObject({ code: 'ERR_CHILD_FAILED', exitCode: 70 })
    expect(failure.message).toMatch(/out of memory.*raise --max-old-space-size/)
  })

  it.each([
    ['throw longText', /^ж{200,}$/],
    // eslint-disable-next-line no-control-regex
    ['throw control', /^\u0001{200,}$/],
  ])('%s: the message is cut, and is still an error', (name, text) => {
    const { cause } = result.failures[name]?.failure as Failure
    expect(cause).toMatchObject({ type: 'Error', name: 'Error' })
    expect(cause?.message).toMatch(text)
  })

  it('is tested in every way that the fixture knows', () => {
    const others = ['outOfMemory', 'throw longText', 'throw control']
    expect(Object.keys(result.failures).sort()).toEqual([...Object.keys(expected), ...others].sort())
  })

  it('leaves the next one unharmed', () => {
    for (const [name, { next }] of Object.entries(result.failures)) expect(next).toBe(name)
  })

  it('leaves no descriptor, thread, child or zombie', () => {
    expect(result.after).toEqual(result.before)
    expect(result.after.children).toEqual([])
  })

  it('returns every value that can be cloned, up to 1 MiB', () => {
    const map = [['1', ['a']]]
    expect(result.got).toEqual({
      undefined: 'undefined',
      thenIsNoFunction: { then: 5 },
      large: (1 << 20) - 16,
      map,
      bytes: [1, 2, 3],
    })
  })
})

describe('a child that does not end', () => {
  it('is ended by the total limit or by its caller, and told apart', async () => {
    const results = await runFixture<Record<string, Failure | string>>('fork-faults', ['endless'])
    const timeout = { code: 'ERR_CHILD_TIMEOUT', signal: 'SIGKILL' }
    const aborted = { code: 'ERR_ABORTED', cause: { message: 'enough' } }
    expect(results).toMatchObject({
      total: timeout,
      totalWithoutProgress: timeout,
      aborted,
      abortedBefore: aborted,
      abortedWhileQuiescing: aborted,
      next: 'next',
    })
  })
})

describe('a child that has failed by itself', () => {
  it('is told as that, though its caller aborted or a limit was reached before its end was seen', async () => {
    const failed = { code: 'ERR_CHILD_FAILED', exitCode: 70, cause: { message: 'row 7 is bad' } }
    expect(await runFixture('fork-faults', ['endedBefore'])).toMatchObject({ aborted: failed, timeout: failed })
  })
})

describe('forkChild', () => {
  it('refuses wrong arguments before it forks, and a fork inside a child', async () => {
    const { results, inChild } = await runFixture<{ results: Record<string, string>; inChild: string }>('fork-faults', [
      'refused',
    ])
    expect(new Set(Object.values(results))).toEqual(new Set(['ERR_INVALID_ARGUMENT']))
    expect(Object.keys(results)).toHaveLength(10)
    expect(inChild).toBe('ERR_INVALID_STATE')
  })
})

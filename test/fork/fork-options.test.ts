import { resolveForkChildOptions } from '../../src/fork-child-options'
import type { Failure } from '../fixtures/fork-kit'
import { runFixture } from '../helpers/fixture'

describe('options of forkChild', () => {
  it('that are undefined take their defaults', async () => {
    const options = { quiesceMs: undefined, stallMs: undefined, totalMs: undefined } as object
    expect(resolveForkChildOptions(options).limits).toEqual({ quiesceMs: 5000, stallMs: 0, totalMs: 3_600_000 })
    expect(await runFixture('fork-options', ['undefinedLimits'])).toEqual({ value: 'forked' })
  })

  it('keepFds: a descriptor that is not open is refused, and nothing is forked', async () => {
    const { fd, forks, outcome } = await runFixture<{ fd: number; forks: number; outcome: Failure }>('fork-options', [
      'closedDescriptor',
    ])
    expect({ forks, ...outcome }).toEqual({
      forks: 0,
      code: 'ERR_INVALID_ARGUMENT',
      message: `forkChild: keepFds[1] must be an open descriptor; got ${fd}`,
    })
  })
})

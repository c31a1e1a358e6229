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

it('without the collector, which has another name, the process forks all the same', async () => {
  const nodeOptions = ['--expose-gc-as=collect']
  expect(await runFixture('fork-options', ['undefinedLimits'], { nodeOptions })).toEqual({ value: 'forked' })
})

it('an attempt that could not begin leaves nothing behind', async () => {
  expect(await runFixture('fork-options', ['beginRefused'])).toEqual({
    message: 'Error: a quiescence is already under way',
    quiescing: false,
    next: 'next',
  })
})

it('child.progress() takes whole numbers, and nothing else reaches the page', async () => {
  const whole = `a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`
  const refused = (name: string, got: string): string[] => [
    `ERR_INVALID_ARGUMENT: child.progress: ${name} must be ${whole}; got ${got}`,
    'undefined: Error: childProgress(rows, bytes) takes two whole numbers',
  ]
  expect(await runFixture('fork-options', ['progressArguments'])).toEqual({
    value: [
      refused('rows', '-1'),
      refused('rows', 'NaN'),
      refused('rows', '0.5'),
      refused('bytes', 'Infinity'),
      refused('bytes', '9007199254740992'),
      refused('rows', '1n'),
      refused('rows', '"1"'),
      refused('bytes', 'undefined'),
      refused('rows', 'undefined'),
    ],
    rows: 3,
    bytes: true,
  })
})

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { publish } from '../../src/diagnostics'
import { ForksnapError, type ForksnapErrorCode } from '../../src/errors'
import { tellEnded, tellNotForked } from '../../src/fork-diagnostics'

/** What the channels are told of forks that were not, and of ends that nobody knows. test/fork has the rest. */

const CHANNELS = ['forksnap:quiesce', 'forksnap:fork', 'forksnap:child']
let told: unknown[] = []

const listen = (message: unknown, channel: string | symbol): void => {
  told.push({ channel, ...(message as object) })
}

beforeEach(() => {
  told = []
  for (const name of CHANNELS) subscribe(name, listen)
})

afterEach(() => {
  for (const name of CHANNELS) unsubscribe(name, listen)
})

const save = { sliceId: 7n, reason: 'manual' } as const
const failure = (code: ForksnapErrorCode) => new ForksnapError(code, 'for this test')

it.each(['ERR_NOT_QUIESCENT', 'ERR_ABORTED'] as const)('%s is an end of the quiescing', (code) => {
  const error = failure(code)
  tellNotForked(error, 12, save)
  expect(told).toEqual([{ channel: 'forksnap:quiesce', ...save, quiesceMs: 12, parkedMs: 0, error }])
})

it('a refused fork() is one of the fork', () => {
  const error = failure('ERR_FORK_FAILED')
  tellNotForked(error, 12, save)
  expect(told).toEqual([{ channel: 'forksnap:fork', ...save, error }])
})

it("what the caller's meta() threw is nobody else's", () => {
  tellNotForked(new Error('of the caller'), 12, save)
  expect(told).toEqual([])
})

it('a child whose status somebody else took has neither a code nor a signal', () => {
  const figures = { pid: 1, childMs: 5, rows: 0, bytes: 0, cowBytes: 0 }
  tellEnded('unknown', figures)
  expect(told).toEqual([{ channel: 'forksnap:child', ...figures, exitCode: null, signal: null }])
})

it('no message is made where nobody listens', () => {
  const message = jest.fn()
  publish('forksnap:commit', message)
  expect(message).not.toHaveBeenCalled()
})

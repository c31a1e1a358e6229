import { type ChildMessage, publish, type SaveIdentity } from './diagnostics'
import { isForksnapError } from './errors'
import type { ForkInfo } from './fork-job'
import type { ChildEnd } from './reaper'

/** What the diagnostics channels are told of a fork. `save` is the one that it is for. */

export function tellForked(info: ForkInfo, save?: SaveIdentity): void {
  const { quiesceMs, parkedMs, ...fork } = info
  publish('forksnap:quiesce', () => ({ ...save, quiesceMs, parkedMs }))
  publish('forksnap:fork', () => ({ ...save, ...fork }))
}

/** What the caller's own hook threw concerns nobody but the caller, and is not told. */
export function tellNotForked(error: unknown, quiesceMs: number, save?: SaveIdentity): void {
  if (isForksnapError(error, 'ERR_FORK_FAILED')) publish('forksnap:fork', () => ({ ...save, error }))
  if (!isForksnapError(error, 'ERR_NOT_QUIESCENT') && !isForksnapError(error, 'ERR_ABORTED')) return
  publish('forksnap:quiesce', () => ({ ...save, quiesceMs, parkedMs: 0, error }))
}

export function tellEnded(end: ChildEnd, message: Omit<ChildMessage, 'exitCode' | 'signal'>): void {
  const known = end === 'unknown' ? undefined : end
  const exitCode = known?.exited === true ? known.exitCode : null
  publish('forksnap:child', () => ({ ...message, exitCode, signal: known?.signal ?? null }))
}

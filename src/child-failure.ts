import { Outcome, type PageState } from './binding'
import { reviveError } from './child-error'
import type { KillReason } from './child-guard'
import { ForksnapError } from './errors'
import type { ForkLimits } from './fork-job'
import { aborted } from './quiesce'
import type { ChildEnd } from './reaper'

const outcomeText: Record<number, string> = {
  [Outcome.running]: 'it ended without a word',
  [Outcome.outOfMemory]: 'its heap is full: raise --max-old-space-size, or write with fewer allocations',
}

/** Why a child was killed by us. */
export type KillSent = KillReason | 'aborted'

/** The error for a child that did not end as it should, or undefined for a clean end. */
export function childFailure(
  end: ChildEnd,
  page: PageState,
  pid: number,
  killSent: KillSent | undefined,
  job: { limits: ForkLimits; signal?: AbortSignal },
): ForksnapError | undefined {
  if (end === 'unknown') {
    return new ForksnapError(
      'ERR_CHILD_STATUS_UNKNOWN',
      `How the child ended is unknown: its exit status was taken by somebody else (a waitpid(-1) in this process, or ` +
        `SIGCHLD is ignored). Nothing was published. Remove that, so that forksnap can wait for its own children.`,
      { pid, syscall: 'waitpid', errno: 'ECHILD' },
    )
  }
  if (end.exited && end.exitCode === 0 && page.outcome === Outcome.returned) return undefined
  // A kill that was sent counts only if it was what ended the child: its own failure, or another signal, may have come first.
  const killed = end.signal === 'SIGKILL' ? killSent : undefined
  if (killed === 'aborted') return aborted(job.signal)
  const { stallMs, totalMs } = job.limits
  if (killed === 'stalled') {
    const message = `The child made no progress for ${stallMs} ms (stallMs) and was killed.`
    return new ForksnapError('ERR_CHILD_STALLED', message, { pid, signal: 'SIGKILL' })
  }
  if (killed === 'timeout') {
    const message = `The child ran for longer than ${totalMs} ms (totalMs) and was killed.`
    return new ForksnapError('ERR_CHILD_TIMEOUT', message, { pid, signal: 'SIGKILL' })
  }
  if (!end.exited) {
    const signal = end.signal ?? 'unknown'
    const message = `The child was ended by ${signal}${end.coreDumped ? ' and dumped a core' : ''}.`
    return new ForksnapError('ERR_CHILD_KILLED', message, { pid, signal, coreDumped: end.coreDumped })
  }
  const cause = page.outcome === Outcome.threw ? reviveError(page.message) : undefined
  const said = cause?.message ?? [page.message, outcomeText[page.outcome]].filter(Boolean).join('; ')
  return new ForksnapError('ERR_CHILD_FAILED', `The child failed with exit code ${end.exitCode}: ${said}`, {
    pid,
    exitCode: end.exitCode,
    cause,
  })
}

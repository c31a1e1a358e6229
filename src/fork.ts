import { attendChild } from './attend-child'
import { binding, type NativeBinding, type NativeCost, type StatusPage } from './binding'
import { clonedResult, refuseInChild, runChild } from './child'
import { childFailure } from './child-failure'
import { ForksnapError } from './errors'
import { type ForkChildOptions, resolveForkChildOptions } from './fork-child-options'
import { tellEnded, tellNotForked } from './fork-diagnostics'
import { asForkFailed, forkFailed } from './fork-failed'
import type { ChildContext, ChildResult, ForkInfo, ForkJob, ForkOutcome, ResultCodec } from './fork-job'
import { DEFER_FULL_GC_MS, putOffFullGcs } from './full-gc'
import { measureLoopDelay, readyLoopDelay } from './loop-delay'
import { nativeOptions } from './native-fork-options'
import { parentCost } from './parent-cost'
import { assertSupported } from './platform'
import { aborted, AGAIN, quiesce } from './quiesce'
import { rehearse } from './rehearse'

function resultOf<P, V>(job: ForkJob<P, V>): ResultCodec<V> {
  return job.result ?? (clonedResult as ResultCodec<V>)
}

interface Forked<P> {
  readonly info: ForkInfo
  readonly prepared: P
  readonly costs: { readonly paused: NativeCost; readonly forked: NativeCost }
  /** The end of the pause, on the clock of `performance.now()`. */
  readonly forkedMs: number
}

/** The synchronous part: the caller's hook, the last look, the fork. In the child it does not return. */
function forkNow<P, V>(
  job: ForkJob<P, V>,
  page: StatusPage,
  startedMs: number,
  pausedMs: number,
  parkedMs: number,
): Forked<P> | typeof AGAIN {
  const native = binding()
  const child = job.child ?? {}
  const options = nativeOptions(job.keepFds ?? [], child, false)
  const paused = native.costSoFar()
  const before = performance.now()
  const prepared = job.prepare()
  const prepareMs = performance.now() - before
  const result = native.fork(options, page, () =>
    runChild((context, value: P) => job.run(context, value), resultOf(job), prepared, options.title, child),
  )
  if (result.errno !== '') throw forkFailed(result.errno, result.syscall)
  if (result.pid < 0) {
    if (result.notParked) {
      throw new ForksnapError(
        'ERR_NOT_QUIESCENT',
        'The parked threads had to be let go because the main thread was blocked for too long; nothing was forked.',
      )
    }
    return AGAIN
  }
  const { pid, lookMs, inheritMs, forkMs, restoreMs, releaseMs } = result
  const forked = native.costSoFar()
  const pauseParts = { prepareMs, lookMs, inheritMs, forkMs, restoreMs, releaseMs }
  const forkedMs = performance.now()
  const info = { pid, forkMs, pauseMs: forkedMs - pausedMs, pauseParts, quiesceMs: pausedMs - startedMs, parkedMs }
  return { prepared, info, costs: { paused, forked }, forkedMs }
}

/** Memory that parent and child share. */
function openPage(native: NativeBinding): StatusPage {
  try {
    return native.openPage()
  } catch (error) {
    throw asForkFailed(error)
  }
}

/**
 * Brings the process to rest, forks, runs `job.run` in the child and waits for its end. Resolves only for a clean end.
 * Rejects with `ERR_UNSUPPORTED_PLATFORM`, `ERR_NOT_QUIESCENT`, `ERR_FORK_FAILED`, `ERR_CHILD_FAILED`,
 * `ERR_CHILD_KILLED`, `ERR_CHILD_STALLED`, `ERR_CHILD_TIMEOUT`, `ERR_CHILD_STATUS_UNKNOWN`, `ERR_ABORTED`, or with what
 * `job.prepare` threw.
 */
export async function runFork<P, V>(job: ForkJob<P, V>): Promise<ForkOutcome<P, V>> {
  assertSupported()
  refuseInChild()
  if (job.signal?.aborted) throw aborted(job.signal)
  rehearse(() => nativeOptions([], {}, false))
  // From before the fork on: marking that begins while the threads are brought to rest would go on beside the child.
  const allowFullGcs = await putOffFullGcs(job.deferFullGcMs ?? DEFER_FULL_GC_MS, job.signal)
  try {
    return await forkAndAttend(job, allowFullGcs)
  } finally {
    allowFullGcs()
  }
}

/** `runFork` from the first measurement on; full collections are allowed again as soon as the child has ended. */
async function forkAndAttend<P, V>(job: ForkJob<P, V>, allowFullGcs: () => void): Promise<ForkOutcome<P, V>> {
  const native = binding()
  const startedMs = performance.now()
  const begun = native.costSoFar()
  const page = openPage(native)
  const delay = measureLoopDelay()
  const readyDelay = readyLoopDelay()
  try {
    const options = { deadlineMs: job.limits.quiesceMs, signal: job.signal }
    const forking = quiesce(options, (pausedMs, heldMs) => forkNow(job, page, startedMs, pausedMs, heldMs))
    const forked = await forking.catch((error: unknown) => {
      tellNotForked(error, performance.now() - startedMs, job.save)
      throw error
    })
    const { prepared, info, costs, forkedMs } = forked
    const childDelay = readyDelay.start(forkedMs)
    const { end, killed } = await attendChild(job, page, info)
    const endedMs = performance.now()
    // The turns since the fork have mostly done it. Of an attempt without a fork all is left to them: another one may follow.
    native.putHeapMarkBack(true)
    const childMs = endedMs - forkedMs
    const ended = native.costSoFar()
    allowFullGcs()
    const measuredDelay = childDelay.stop()
    const state = native.readPage(page)
    const { rows, bytes, cowBytes } = state
    const error = childFailure(end, state, info.pid, killed, job)
    tellEnded(end, { ...job.save, pid: info.pid, childMs, rows, bytes, cowBytes, ...(error && { error }) })
    if (error !== undefined) throw error
    const value = resultOf(job).decode(native.readPageResult(page))
    const { longestGapMs, p99Ms } = await delay.stop()
    return {
      ...info,
      value,
      prepared,
      exitCode: 0,
      childMs,
      totalMs: endedMs - startedMs,
      longestGapMs,
      loopDelayP99Ms: p99Ms,
      rows,
      bytes,
      cowBytes,
      childCost: { faults: state.faults, young: state.youngGcs, full: state.fullGcs },
      ...parentCost([begun, costs.paused, costs.forked, ended], await measuredDelay),
    }
  } finally {
    native.closePage(page)
    void delay.stop()
    readyDelay.drop()
  }
}

/** `fn`'s type: an async function is refused by the compiler as well as at run time. */
export type ChildFunction<T> = (child: ChildContext) => T extends PromiseLike<unknown> ? never : T

/**
 * Quiesces, forks, runs `fn` synchronously in the child over the state of the fork's instant, reaps the child.
 * `value` is what `fn` returned, structured-cloned, up to 1 MiB. In the child only stderr and `keepFds` are open.
 * Rejects with `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED_PLATFORM`, `ERR_NOT_QUIESCENT` (`quiesceMs`), `ERR_FORK_FAILED`,
 * `ERR_CHILD_FAILED` (`cause` is what `fn` threw), `ERR_CHILD_KILLED`, `ERR_CHILD_STALLED` (`stallMs`), `ERR_CHILD_TIMEOUT`
 * (`totalMs`), `ERR_CHILD_STATUS_UNKNOWN`, `ERR_ABORTED`, and `ERR_INVALID_STATE` in a child of `fork()`.
 */
export async function forkChild<T>(fn: ChildFunction<T>, options: ForkChildOptions = {}): Promise<ChildResult<T>> {
  assertSupported()
  if (typeof fn !== 'function') {
    throw new ForksnapError('ERR_INVALID_ARGUMENT', 'forkChild: the first argument must be a synchronous function.')
  }
  const job = {
    ...resolveForkChildOptions(options),
    prepare: () => undefined,
    run: fn as (child: ChildContext) => T,
  }
  const { prepared: _prepared, ...result } = await runFork<undefined, T>(job)
  return result
}

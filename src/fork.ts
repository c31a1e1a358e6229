import {
  binding,
  Outcome,
  type NativeBinding,
  type NativeCost,
  type NativeForkOptions,
  type PageState,
  type StatusPage,
} from './binding'
import { clonedResult, prepareBareChild, runChild } from './child'
import { reviveError } from './child-error'
import { ChildGuard, type KillReason } from './child-guard'
import { ForksnapError } from './errors'
import { type ForkChildOptions, resolveForkChildOptions } from './fork-child-options'
import { tellEnded, tellForked, tellNotForked } from './fork-diagnostics'
import { asForkFailed, forkFailed } from './fork-failed'
import type {
  ChildContext,
  ChildOptions,
  ChildResult,
  ForkInfo,
  ForkJob,
  ForkLimits,
  ForkOutcome,
  ResultCodec,
} from './fork-job'
import { DEFER_FULL_GC_MS, markingOver, putOffFullGcs } from './full-gc'
import { measureLoopDelay, readyLoopDelay } from './loop-delay'
import { parentCost } from './parent-cost'
import { assertSupported } from './platform'
import { bareChildBegan } from './huge-pages'
import { aborted, AGAIN, isQuiescing, quiesce } from './quiesce'
import { Reaper, type ChildEnd } from './reaper'
import { rehearse } from './rehearse'

const DEFAULT_PROGRESS_MS = 100
const PARENT_OOM_SCORE = -1001
/** Values of `ioprio_set`: the class in the upper bits, the level (7 is the lowest) in the lower. */
const IO_PRIORITIES = { idle: 3 << 13, 'best-effort-low': (2 << 13) | 7 } as const

function nativeOptions(keepFds: readonly number[], child: ChildOptions, keepStdio: boolean): NativeForkOptions {
  return {
    keepFds,
    keepStdio,
    title: child.title ?? 'forksnap',
    nice: child.nice ?? 0,
    idle: child.cpuPriority === 'idle',
    ioPriority: child.ioPriority === undefined ? -1 : IO_PRIORITIES[child.ioPriority],
    cpus: child.cpus ?? [],
    oomScoreAdj: child.oomScoreAdj ?? PARENT_OOM_SCORE,
    coreDump: child.coreDump ?? false,
  }
}

/** Refuses what would be a fork inside a fork: a child's threads are gone, and its parent's loop is not its own. */
function refuseInChild(native: NativeBinding): void {
  if (!native.isInChild()) return
  throw new ForksnapError('ERR_INVALID_STATE', 'This process is a child of fork(): it cannot fork again.')
}

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

const outcomeText: Record<number, string> = {
  [Outcome.running]: 'it ended without a word',
  [Outcome.outOfMemory]: 'its heap is full: raise --max-old-space-size, or write with fewer allocations',
}

/** The error for a child that did not end as it should, or undefined for a clean end. */
function childError(
  end: ChildEnd,
  page: PageState,
  pid: number,
  killSent: KillReason | 'aborted' | undefined,
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

/** A caller's callback that throws must not leave a child unattended; its error surfaces like any uncaught one. */
function callBack(callback: () => void): void {
  try {
    callback()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}

/** Memory that parent and child share. */
function openPage(native: NativeBinding): StatusPage {
  try {
    return native.openPage()
  } catch (error) {
    throw asForkFailed(error)
  }
}

/** Lives with the child until it has been reaped: progress, limits, the caller's signal. */
async function attend<P, V>(
  job: ForkJob<P, V>,
  page: StatusPage,
  forked: Forked<P>,
): Promise<{ end: ChildEnd; killed: KillReason | 'aborted' | undefined }> {
  const native = binding()
  const reaper = new Reaper(forked.info.pid)
  let killed: KillReason | 'aborted' | undefined
  const kill = (reason: KillReason | 'aborted'): void => {
    if (killed === undefined && reaper.kill('SIGKILL')) killed = reason
  }
  const guard = new ChildGuard(
    job.limits,
    job.progressMs ?? DEFAULT_PROGRESS_MS,
    () => native.readPage(page),
    (progress) => callBack(() => job.onProgress?.(progress)),
    kill,
  )
  const abort = (): void => kill('aborted')
  job.signal?.addEventListener('abort', abort, { once: true })
  if (job.signal?.aborted) abort()
  guard.start()
  try {
    tellForked(forked.info, job.save)
    callBack(() => job.onForked?.(forked.info))
    const end = await reaper.ended
    return { end, killed }
  } finally {
    guard.stop()
    job.signal?.removeEventListener('abort', abort)
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
  const native = binding()
  refuseInChild(native)
  if (job.signal?.aborted) throw aborted(job.signal)
  rehearse(() => nativeOptions([], {}, false))
  const deferFullGcMs = job.deferFullGcMs ?? DEFER_FULL_GC_MS
  if (deferFullGcMs > 0) await markingOver(job.signal)
  const startedMs = performance.now()
  const begun = native.costSoFar()
  const page = openPage(native)
  const delay = measureLoopDelay()
  const readyDelay = readyLoopDelay()
  // From before the fork on: marking that begins while the threads are brought to rest would go on beside the child.
  const allowFullGcs = putOffFullGcs(deferFullGcMs)
  try {
    const options = { deadlineMs: job.limits.quiesceMs, signal: job.signal }
    const forking = quiesce(options, (pausedMs, heldMs) => forkNow(job, page, startedMs, pausedMs, heldMs))
    const forked = await forking.catch((error: unknown) => {
      tellNotForked(error, performance.now() - startedMs, job.save)
      throw error
    })
    const { prepared, info, costs, forkedMs } = forked
    const childDelay = readyDelay.start(forkedMs)
    const { end, killed } = await attend(job, page, forked)
    const endedMs = performance.now()
    // The turns since the fork have mostly done it. Of an attempt without a fork all is left to them: another one may follow.
    native.putHeapMarkBack(true)
    const childMs = endedMs - forkedMs
    const ended = native.costSoFar()
    allowFullGcs()
    const measuredDelay = childDelay.stop()
    const state = native.readPage(page)
    const { rows, bytes, cowBytes } = state
    const error = childError(end, state, info.pid, killed, job)
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
    allowFullGcs()
    native.closePage(page)
    void delay.stop()
    readyDelay.drop()
  }
}

export type { ForkChildOptions }

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

/** How long a bare fork() waits, itself blocked, for the other threads. Longer could deadlock. */
const BARE_WAIT_MS = 5

/**
 * POSIX `fork()`: 0 in the child, the child's pid in the parent. Low level and synchronous: it scans the process's mappings
 * on the spot (some 40 ms per GB) and waits a few milliseconds at most for the other threads, else throws
 * `ERR_NOT_QUIESCENT`, as it does while `forkChild` or a Snapshotter is about to fork. Inside a microtask (after an
 * `await`, in a promise's callback) it throws `ERR_INVALID_STATE`, since other requests' continuations would follow in
 * the child; call it from a timer or `setImmediate`, or use `forkChild`. So it does where `node:domain` is loaded, which
 * takes all that is thrown for itself. It throws `ERR_UNSUPPORTED_PLATFORM` and `ERR_FORK_FAILED` as `forkChild` does.
 *
 * The child keeps descriptors 0, 1 and 2. Its code runs to the end of the current callback; returning to the event
 * loop ends it with exit code 70 and a message. `process.exit()` in it is `_exit`.
 */
export function fork(): number {
  assertSupported()
  const native = binding()
  refuseInChild(native)
  if (native.isInMicrotask()) {
    throw new ForksnapError(
      'ERR_INVALID_STATE',
      'fork() was called inside a microtask (after an await, in a promise callback, or at the top level of an ES module): ' +
        "the child would run other code's continuations. Call it from setImmediate(), or use forkChild().",
    )
  }
  if (isQuiescing()) {
    throw new ForksnapError(
      'ERR_NOT_QUIESCENT',
      'A snapshot is about to fork and has parked the other threads; nothing was forked. Try again in a later turn.',
    )
  }
  const enterChild = prepareBareChild()
  const result = native.forkBare(nativeOptions([], {}, true), BARE_WAIT_MS)
  if (result.pid === 0) {
    enterChild()
    return 0
  }
  if (result.errno !== '') throw forkFailed(result.errno, result.syscall)
  if (result.pid < 0) {
    throw new ForksnapError(
      'ERR_NOT_QUIESCENT',
      `The other threads of the process did not come to rest within ${BARE_WAIT_MS} ms; nothing was forked. ` +
        'Try again in a later turn of the event loop, or use forkChild(), which can wait.',
    )
  }
  bareChildBegan(result.pid)
  return result.pid
}

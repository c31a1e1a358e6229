import { setTimeout } from 'node:timers/promises'
import { backOffMs } from './back-off'
import { binding } from './binding'
import { checkedMeta } from './checked-meta'
import { isThenable, show } from './checks'
import { type CommitMessage, publish } from './diagnostics'
import { ForksnapError, isForksnapError } from './errors'
import { step } from './failpoint'
import { runFork } from './fork'
import type { ForkInfo, ForkJob, ForkOutcome, Progress } from './fork-job'
import { putOffFullGcs } from './full-gc'
import { measureLoopDelay } from './loop-delay'
import type { ResolvedOptions } from './options'
import { isSupported } from './platform'
import type { Saved, SaveReason } from './saved'
import { abortReason, throwIfAborted } from './shared-work'
import { packTrailer, unpackTrailer } from './slice/control'
import type { SliceMeta, SliceTrailer } from './slice/types'
import { createSliceWriter, fdTarget } from './slice/writer'
import type { SliceInfo, SliceSink } from './store/store'
import type { WarmUp, WarmUpReport } from './warm-up'
import { within } from './within'

/** What one save tells while it goes on. */
export interface TakeHooks {
  warmedUp(report: WarmUpReport): void
  /** Called in the tick of the fork, right before it. */
  forking(): void
  forked(info: ForkInfo, sliceId: bigint): void
  progress(progress: Progress, sliceId: bigint): void
  busy(event: { attempt: number; delayMs: number; error: unknown }): void
  cancelFailed(error: unknown): void
  /** Told at the child's end or when there will be no child; the same may be told again. */
  longestGap(ms: number): void
  /** Position of the newest slice since the last reset, 0n if there is none. */
  newestPosition(): bigint
}

/** Another thread that is busy now is mostly at rest a moment later, so these waits begin short. */
const BUSY_BACK_OFF = { initialMs: 50, maxMs: 2_000, factor: 2 }

/**
 * One save from beginning to end: a sink, the warm-up, the fork, the child's work, the log, the publication. Whatever
 * fails leaves nothing in the store and the parent as it was.
 */
export async function takeSlice<M extends SliceMeta>(
  options: ResolvedOptions<M>,
  warmUp: WarmUp,
  reason: SaveReason,
  signal: AbortSignal,
  hooks: TakeHooks,
): Promise<Saved<M>> {
  const delay = measureLoopDelay()
  const longestGap = async (): Promise<number> => {
    const { longestGapMs } = await delay.stop()
    hooks.longestGap(longestGapMs)
    return longestGapMs
  }
  try {
    return await take(options, warmUp, reason, signal, hooks, longestGap)
  } finally {
    // A save that failed had gaps too.
    await longestGap()
  }
}

/** `longestGap` ends the measurement: it goes from the beginning of the save to the child's end. */
async function take<M extends SliceMeta>(
  options: ResolvedOptions<M>,
  warmUp: WarmUp,
  reason: SaveReason,
  signal: AbortSignal,
  hooks: TakeHooks,
  longestGap: () => Promise<number>,
): Promise<Saved<M>> {
  const begun = performance.now()
  throwIfAborted(signal)
  const sink = await createSink(options, signal, hooks)
  try {
    const { outcome, attempts, warmed } = await forkWarm(options, warmUp, sink, reason, signal, hooks)
    const longestGapMs = await longestGap()
    const { prepared: meta, value: trailer } = outcome
    // A slice may hold operations that were applied and are not durable yet; published, it would outlive them.
    const { log } = options
    if (log !== undefined) {
      const sync = () => log.sync(meta.position)
      await step('snapshot.log-sync', () => within(sync(), options.limits.answerMs, "The log's sync()", signal))
    }
    throwIfAborted(signal)
    const info = await commit(sink, { meta, trailer }, reason)
    return {
      ...figures(outcome),
      // The loop's delay is sampled each millisecond; the pause and the passes are known more exactly, and were gaps.
      longestGapMs: Math.max(longestGapMs, outcome.pauseMs, warmed.longestPassMs),
      sliceId: info.sliceId,
      position: info.position,
      epoch: info.epoch,
      location: info.location,
      reason,
      meta,
      values: trailer.values,
      rows: trailer.rows,
      bytes: trailer.bytes,
      totalMs: performance.now() - begun,
      attempts,
    }
  } catch (error) {
    const told = await explained(sink, error)
    await sink.cancel().catch((cancelError: unknown) => hooks.cancelFailed(cancelError))
    throw told
  }
}

async function commit<M extends SliceMeta>(
  sink: SliceSink,
  { meta, trailer }: { meta: M; trailer: SliceTrailer },
  reason: SaveReason,
): Promise<SliceInfo> {
  const { sliceId } = sink
  const { rows, bytes } = trailer
  const begun = performance.now()
  const told = (): Pick<CommitMessage, 'sliceId' | 'reason' | 'rows' | 'bytes' | 'commitMs'> => {
    return { sliceId, reason, rows, bytes, commitMs: performance.now() - begun }
  }
  try {
    const info = await step('snapshot.commit', () => sink.commit({ meta, trailer }))
    const { position, epoch, location } = info
    publish('forksnap:commit', () => ({ ...told(), position, epoch, location }))
    return info
  } catch (error) {
    publish('forksnap:commit', () => ({ ...told(), error }))
    throw error
  }
}

/** A sink that comes after its save was given up is cancelled. */
async function createSink<M extends SliceMeta>(
  { store, limits }: ResolvedOptions<M>,
  signal: AbortSignal,
  hooks: TakeHooks,
): Promise<SliceSink> {
  const coming = store.create()
  try {
    return await within(coming, limits.answerMs, "The store's create()", signal)
  } catch (error) {
    void coming.then(
      (late) => late.cancel().catch((cancelError: unknown) => hooks.cancelFailed(cancelError)),
      () => undefined, // Either the error that is thrown here, or nobody's any more.
    )
    throw error
  }
}

/** What the sink knows of a child's failure; whatever goes wrong in asking, the failure itself is told. */
async function explained(sink: SliceSink, error: unknown): Promise<unknown> {
  if (sink.explain === undefined || !isForksnapError(error, 'ERR_CHILD_FAILED')) return error
  return sink.explain(error).catch(() => error)
}

function figures(outcome: ForkOutcome<SliceMeta, SliceTrailer>) {
  const { pauseMs, forkMs, quiesceMs, parkedMs, loopDelayP99Ms, cowBytes, childMs } = outcome
  const { faults, copiedBytesMax, collections, childDelay, childCost } = outcome
  const cost = { faults, copiedBytesMax, collections, childDelay, childCost }
  return { pauseMs, forkMs, quiesceMs, parkedMs, loopDelayP99Ms, cowBytes, childMs, ...cost }
}

/** Thrown in the tick of the fork, out of which only an exception leads without a fork. */
const COLD = new Error('a full collection has undone the warm-up')
/** After so many warm-ups that a full collection undid, the child goes as it is. */
const WARM_UPS_MAX = 3

/** The warm-up and the fork without a full collection if that can be had: it would undo the one and burden the other. */
async function forkWarm<M extends SliceMeta>(
  options: ResolvedOptions<M>,
  ...rest: [warmUp: WarmUp, sink: SliceSink, reason: SaveReason, signal: AbortSignal, hooks: TakeHooks]
) {
  const ms = isSupported() ? options.deferFullGcMs : 0
  const allowFullGcs = await putOffFullGcs(ms, rest[3])
  try {
    return await forkWhenWarm(options, ...rest)
  } finally {
    allowFullGcs()
  }
}

/**
 * Warms the writer up and forks. A full collection throws optimised code away, and in a child nothing would be optimised
 * again: if there was one between the warm-up and the fork, the warm-up comes first once more.
 */
async function forkWhenWarm<M extends SliceMeta>(
  options: ResolvedOptions<M>,
  warmUp: WarmUp,
  sink: SliceSink,
  reason: SaveReason,
  signal: AbortSignal,
  hooks: TakeHooks,
) {
  let warmed: WarmUpReport = { rows: 0, ms: 0, longestPassMs: 0 }
  warmUp.begin()
  for (let warmUps = 1; ; warmUps++) {
    const last = await warmUp.run(options.write, writerOptions(sink, {}), signal)
    warmed = sumOf(warmed, last)
    hooks.warmedUp(warmed)
    const collections = fullCollections()
    const goesAsItIs = last.rows === 0 || warmUps === WARM_UPS_MAX
    const checkWarm = (): void => {
      if (!goesAsItIs && fullCollections() !== collections) throw COLD
    }
    try {
      const job = forkJob(options, sink, reason, signal, hooks, checkWarm)
      return { ...(await forkWhenQuiet(job, options.limits.busyMs, hooks)), warmed }
    } catch (error) {
      if (error !== COLD) throw error
    }
  }
}

/** Where nothing can fork there is nothing to count either: the fork itself says what is wrong. */
function fullCollections(): number {
  return isSupported() ? binding().fullGcCount() : 0
}

function sumOf(one: WarmUpReport, other: WarmUpReport): WarmUpReport {
  const longestPassMs = Math.max(one.longestPassMs, other.longestPassMs)
  return { rows: one.rows + other.rows, ms: one.ms + other.ms, longestPassMs }
}

/** Tries to fork until the other threads can be brought to rest, or `busyMs` have passed. */
async function forkWhenQuiet<P, V>(job: ForkJob<P, V> & { signal: AbortSignal }, busyMs: number, hooks: TakeHooks) {
  const deadline = performance.now() + busyMs
  for (let attempt = 1; ; attempt++) {
    try {
      return { outcome: await runFork(job), attempts: attempt }
    } catch (error) {
      if (!isForksnapError(error, 'ERR_NOT_QUIESCENT')) throw error
      const delayMs = backOffMs(attempt, BUSY_BACK_OFF)
      if (performance.now() + delayMs > deadline) throw error
      hooks.busy({ attempt, delayMs, error })
      await pause(delayMs, job.signal)
    }
  }
}

/** Waits; ends early, with `ERR_ABORTED`, when the signal is given. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal })
  } catch {
    throw abortReason(signal)
  }
}

function forkJob<M extends SliceMeta>(
  options: ResolvedOptions<M>,
  sink: SliceSink,
  reason: SaveReason,
  signal: AbortSignal,
  hooks: TakeHooks,
  checkWarm: () => void,
): ForkJob<M, SliceTrailer> & { signal: AbortSignal } {
  const { quiesceMs, stallMs, totalMs } = options.limits
  return {
    prepare: () => {
      checkWarm()
      const meta = checkedMeta(options.meta, hooks.newestPosition())
      hooks.forking()
      return meta
    },
    run: (child, meta) => {
      const onProgress = (rows: number, bytes: number) => child.progress(rows, bytes)
      const writer = createSliceWriter(fdTarget(sink.fd), { ...writerOptions(sink, meta), onProgress })
      checkWritten(options.write(writer))
      return writer.finish()
    },
    // Whatever the format admits fits like this, while a clone of it may be several times as long.
    result: { encode: packTrailer, decode: unpackTrailer },
    keepFds: [sink.fd],
    child: options.child,
    limits: { quiesceMs, stallMs, totalMs },
    deferFullGcMs: options.deferFullGcMs,
    signal,
    save: { sliceId: sink.sliceId, reason },
    onForked: (info) => {
      sink.forked?.()
      hooks.forked(info, sink.sliceId)
    },
    onProgress: (progress) => hooks.progress(progress, sink.sliceId),
    progressMs: options.progressMs,
  }
}

function writerOptions({ sliceId, writing }: SliceSink, meta: SliceMeta) {
  const { codec, syncEveryBytes, constantColumn } = writing
  return { sliceId, meta, codec, syncEveryBytes, ...(constantColumn === undefined ? {} : { constantColumn }) }
}

/** Runs in the child. The type of `write` says so already; this is for those whom no compiler told. */
function checkWritten(result: unknown): void {
  if (result === undefined) return
  const what = isThenable(result) ? 'a promise' : show(result)
  throw new ForksnapError(
    'ERR_CHILD_FAILED',
    `write() returned ${what}, but must return undefined and have written everything by then: ` +
      "the child's event loop never runs, so nothing that is awaited there would ever settle",
  )
}

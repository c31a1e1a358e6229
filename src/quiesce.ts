import { performance } from 'node:perf_hooks'
import { binding, type NativeBinding } from './binding'
import { errnoOf, ForksnapError } from './errors'
import { forkFailed } from './fork-failed'
import { collectYoung } from './young-gc'

/** Returned by the critical section when another thread was not at rest: go round again. */
export const AGAIN = Symbol('again')

export interface QuiesceOptions {
  /** After this many milliseconds everybody is released and the attempt is reported as busy. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
}

/** How long the last missing thread is waited for before the numbers are taken as they are, once per process. */
const LEARN_MS = 50
/** Parked threads leave by themselves this long after the deadline, should the main thread be blocked. */
const DEADLINE_SLACK_MS = 1000
/** If libuv's pool took longer than this to park, what is young by now deserves another collection. */
const STALE_GC_MS = 50

type Phase = 'scan' | 'collect' | 'pool' | 'recollect' | 'v8' | 'fork' | 'over'

let quiescing = false

/** Whether threads are being parked right now, for a fork that is not yet. */
export const isQuiescing = (): boolean => quiescing

/** One attempt, from the scan of the mappings to the critical section. A state machine that events and turns drive. */
class Quiescence<T> {
  private phase: Phase = 'scan'
  private collections = 0
  private poolSince = 0
  private learning: NodeJS.Timeout | undefined
  private deadline: NodeJS.Timeout | undefined
  private waitingFor = 'the scan of the mappings'

  constructor(
    private readonly native: NativeBinding,
    private readonly options: QuiesceOptions,
    private readonly critical: (pausedMs: number) => T | typeof AGAIN,
    private readonly resolve: (value: T) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  begin(): void {
    const { deadlineMs, signal } = this.options
    quiescing = true
    this.native.quiesceBegin(this.step, deadlineMs + DEADLINE_SLACK_MS)
    this.deadline = setTimeout(this.giveUp, deadlineMs)
    signal?.addEventListener('abort', this.abort, { once: true })
    try {
      this.native.quiesceScan()
    } catch (error) {
      // It needs a thread, which a limit on processes may refuse.
      const errno = errnoOf(error)
      this.fail(errno === undefined ? error : forkFailed(errno, 'pthread_create', error))
    }
  }

  /** Releases everybody, on every path. */
  private end(): void {
    this.phase = 'over'
    quiescing = false
    clearTimeout(this.deadline)
    clearTimeout(this.learning)
    this.options.signal?.removeEventListener('abort', this.abort)
    this.native.quiesceEnd()
  }

  private fail(error: unknown): void {
    if (this.phase === 'over') return
    this.end()
    this.reject(error)
  }

  private readonly abort = (): void => this.fail(aborted(this.options.signal))

  private readonly giveUp = (): void => {
    this.fail(
      new ForksnapError(
        'ERR_NOT_QUIESCENT',
        `The other threads of the process did not come to rest within ${this.options.deadlineMs} ms (waited for ` +
          `${this.waitingFor}); nothing was forked. Try again when the load is lower, or raise the limit (quiesceMs).`,
      ),
    )
  }

  /** Called from the loop when something has arrived, and by the turns below. Never in a microtask. */
  private readonly step = (): void => {
    try {
      this.advance()
    } catch (error) {
      this.fail(error)
    }
  }

  private advance(): void {
    if (this.phase === 'scan' && this.native.quiesceProgress().scanned) this.collect('collect')
    else if (this.phase === 'pool') this.awaitPool()
    else if (this.phase === 'v8') this.awaitV8()
  }

  /** Two young collections, each in a turn of its own: after them nothing young is left to be moved in the pause. */
  private collect(phase: 'collect' | 'recollect'): void {
    this.phase = phase
    this.collections = 0
    this.waitingFor = 'two young collections'
    setImmediate(this.collectOnce)
  }

  private readonly collectOnce = (): void => {
    if (this.phase !== 'collect' && this.phase !== 'recollect') return
    collectYoung()
    if (++this.collections < 2) setImmediate(this.collectOnce)
    else if (this.phase === 'collect') setImmediate(this.parkPool)
    else setImmediate(this.parkV8)
  }

  private readonly parkPool = (): void => {
    if (this.phase === 'over') return
    this.phase = 'pool'
    this.poolSince = performance.now()
    this.waitingFor = "libuv's thread pool (fs, dns, crypto and zlib work)"
    this.native.quiesceParkPool()
    this.step()
  }

  private awaitPool(): void {
    const { poolParked, poolNeeded, poolKnown } = this.native.quiesceProgress()
    if (poolParked < poolNeeded) {
      if (!poolKnown && poolParked > 0) this.learn(() => this.native.quiesceLearnPool())
      return
    }
    if (performance.now() - this.poolSince > STALE_GC_MS) this.collect('recollect')
    else this.parkV8()
  }

  private readonly parkV8 = (): void => {
    if (this.phase === 'over') return
    this.phase = 'v8'
    this.waitingFor = "V8's worker threads"
    this.native.quiesceParkV8Workers()
    this.step()
  }

  private awaitV8(): void {
    const { v8Parked, v8Needed, v8Known } = this.native.quiesceProgress()
    if (v8Parked >= v8Needed) {
      if (!v8Known) this.native.quiesceLearnV8()
      this.enterFork()
    } else if (!v8Known && v8Parked === v8Needed - 1) {
      // Node's platform counts one thread that never takes such work; an embedder's may not.
      this.learn(() => this.native.quiesceLearnV8())
    }
  }

  /** Takes the arrivals for all that there are, unless one more comes within the time. */
  private learn(take: () => void): void {
    this.learning ??= setTimeout(() => {
      this.learning = undefined
      if (this.phase !== 'pool' && this.phase !== 'v8') return
      take()
      this.step()
    }, LEARN_MS)
  }

  private enterFork(): void {
    this.phase = 'fork'
    this.waitingFor = 'a Worker or another thread to come to rest'
    this.native.quiesceParkIsolates()
    setImmediate(this.tryFork)
  }

  private readonly tryFork = (): void => {
    if (this.phase !== 'fork') return
    try {
      const pausedMs = performance.now()
      const result = this.native.quiesceLook() ? this.critical(pausedMs) : AGAIN
      if (result === AGAIN) {
        // Isolates whose interrupt was served before they could park, or Workers that are new, are asked once more.
        this.native.quiesceParkIsolates()
        setImmediate(this.tryFork)
        return
      }
      this.end()
      this.resolve(result)
    } catch (error) {
      this.fail(error)
    }
  }
}

/** The error of a caller who has changed his mind. */
export function aborted(signal: AbortSignal | undefined): ForksnapError {
  return new ForksnapError('ERR_ABORTED', 'The snapshot was aborted by its caller.', { cause: signal?.reason })
}

let last: Promise<unknown> = Promise.resolve()

/**
 * Brings the other threads of the process to rest without blocking the main thread, then calls `critical` in a turn of
 * its own, outside of any microtask; it gets the time since when nothing else has run, and forks, or returns AGAIN. All is
 * released when the promise settles. Attempts wait for one another. Rejects with `ERR_NOT_QUIESCENT` at the deadline and with `ERR_ABORTED`.
 */
export function quiesce<T>(options: QuiesceOptions, critical: (pausedMs: number) => T | typeof AGAIN): Promise<T> {
  const attempt = last.then(
    () =>
      new Promise<T>((resolve, reject) => {
        if (options.signal?.aborted) throw aborted(options.signal)
        new Quiescence(binding(), options, critical, resolve, reject).begin()
      }),
  )
  last = attempt.catch(() => undefined)
  return attempt
}

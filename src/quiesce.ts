import { performance } from 'node:perf_hooks'
import { binding, type NativeBinding } from './binding'
import { ForksnapError } from './errors'
import { asForkFailed } from './fork-failed'
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
/**
 * Parked threads do no work, and whoever waits for a file or a hash waits with them. So they are held for a short time
 * only, then left to work for as long, then held for twice as long, up to the most.
 */
const HOLD_FIRST_MS = 125
const HOLD_MOST_MS = 1000
/**
 * A thread of the pool that has been asleep in one system call for this long is done without. No one is in the first
 * hold: first all threads get a chance to come.
 */
const ASLEEP_MS = 200
/** Parked threads leave by themselves this long after their time, should the main thread be blocked. */
const HOLD_SLACK_MS = 500
/** Between two looks at threads that were not at rest the loop has this time to itself. */
const LOOK_AGAIN_MS = 1
/** If libuv's pool took longer than this to park, what is young by now deserves another collection. */
const STALE_GC_MS = 50

type Phase = 'scan' | 'collect' | 'pool' | 'recollect' | 'v8' | 'fork' | 'rest' | 'over'

/** `'forked'`: the fork has been, and those who wait for it have not been told. */
let stage: 'none' | 'quiescing' | 'forked' = 'none'
let looked = false

/** Whether threads are being parked right now, for a fork that is not yet. */
export const isQuiescing = (): boolean => stage === 'quiescing'

/** The same, and whether there is a child that nobody attends to yet. */
export const isForkUnderWay = (): boolean => stage !== 'none'

/** Gets the time since when nothing else has run, and for how many milliseconds threads have been held by then. */
type Critical<T> = (pausedMs: number, heldMs: number) => T | typeof AGAIN

/** One attempt, from the scan of the mappings to the critical section. A state machine that events and turns drive. */
class Quiescence<T> {
  private phase: Phase = 'scan'
  private collections = 0
  private poolSince = 0
  private learning: NodeJS.Timeout | undefined
  private deadline: NodeJS.Timeout | undefined
  /** Ends the time for which threads are held, or the rest between two such times. */
  private holding: NodeJS.Timeout | undefined
  private excusing: NodeJS.Timeout | undefined
  private holdMs = HOLD_FIRST_MS
  private heldSince = 0
  private waitingFor = 'the scan of the mappings'

  constructor(
    private readonly native: NativeBinding,
    private readonly options: QuiesceOptions,
    private readonly critical: Critical<T>,
    private readonly resolve: (value: T) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  begin(): void {
    const { deadlineMs, signal } = this.options
    try {
      this.native.quiesceBegin(this.step, this.holdMs + HOLD_SLACK_MS)
    } catch (error) {
      return this.reject(asForkFailed(error)) // Nothing has begun that would have to be ended.
    }
    stage = 'quiescing'
    this.deadline = setTimeout(this.giveUp, deadlineMs)
    signal?.addEventListener('abort', this.abort, { once: true })
    // It needs a thread, which a limit on processes may refuse.
    this.guarded(() => this.native.quiesceScan())()
  }

  /** Releases everybody, on every path. */
  private end(): void {
    this.phase = 'over'
    stage = 'none'
    clearTimeout(this.deadline)
    clearTimeout(this.learning)
    clearTimeout(this.holding)
    clearTimeout(this.excusing)
    this.options.signal?.removeEventListener('abort', this.abort)
    this.native.quiesceEnd()
    setImmediate(putHeapMarkBack, this.native)
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

  /** What runs from the loop: an error there is the attempt's, and not one of the server's that nobody catches. */
  private guarded(act: () => void): () => void {
    return () => {
      try {
        act()
      } catch (error) {
        this.fail(asForkFailed(error))
      }
    }
  }

  /** Called from the loop when something has arrived, and by the turns below. Never in a microtask. */
  private readonly step = this.guarded(() => this.advance())

  private advance(): void {
    this.limitHold()
    if (this.phase === 'scan' && this.native.quiesceProgress().scanned) this.collect('collect')
    else if (this.phase === 'pool') this.awaitPool()
    else if (this.phase === 'v8') this.awaitV8()
  }

  /** Starts the clock when the first thread has been parked. */
  private limitHold(): void {
    if (this.holding !== undefined || (this.phase !== 'pool' && this.phase !== 'v8')) return
    const { poolParked, v8Parked } = this.native.quiesceProgress()
    if (poolParked + v8Parked === 0) return
    this.heldSince = performance.now()
    this.holding = setTimeout(this.rest, this.holdMs)
  }

  /** Lets everybody work for as long as they were held, then begins to park anew. */
  private readonly rest = this.guarded(() => {
    if (this.phase === 'over') return
    this.phase = 'rest'
    clearTimeout(this.learning)
    this.learning = undefined
    clearTimeout(this.excusing)
    const restMs = this.holdMs
    this.holdMs = Math.min(2 * this.holdMs, HOLD_MOST_MS)
    this.native.quiesceUnpark(this.holdMs + HOLD_SLACK_MS)
    this.holding = setTimeout(() => {
      this.holding = undefined
      this.collect('collect', this.waitingFor)
    }, restMs)
  })

  /** Two young collections, each in a turn of its own: after them nothing young is left to be moved in the pause. */
  private collect(phase: 'collect' | 'recollect', waitingFor = 'two young collections'): void {
    this.phase = phase
    this.collections = 0
    this.waitingFor = waitingFor
    setImmediate(this.collectOnce)
  }

  private readonly collectOnce = this.guarded(() => {
    if (this.phase !== 'collect' && this.phase !== 'recollect') return
    collectYoung()
    if (++this.collections < 2) setImmediate(this.collectOnce)
    else if (this.phase === 'collect') setImmediate(this.parkPool)
    else setImmediate(this.parkV8)
  })

  private readonly parkPool = this.guarded(() => {
    if (this.phase !== 'collect') return
    this.phase = 'pool'
    this.poolSince = performance.now()
    this.heldSince = this.poolSince
    this.waitingFor = "libuv's thread pool (fs, dns, crypto and zlib work)"
    this.native.quiesceParkPool()
    this.watchPool()
    this.advance()
  })

  private watchPool(): void {
    this.native.quiesceWatchPool()
    this.excusing = setTimeout(this.excusePool, ASLEEP_MS)
  }

  /** Does without threads of the pool that have been asleep in the same call since the last look at them. */
  private readonly excusePool = this.guarded(() => {
    if (this.phase !== 'pool') return
    if (this.native.quiesceExcusePool()) this.advance()
    else this.watchPool()
  })

  private awaitPool(): void {
    const { poolParked, poolNeeded, poolKnown } = this.native.quiesceProgress()
    if (poolParked < poolNeeded) {
      if (!poolKnown && poolParked > 0) this.learn(() => this.native.quiesceLearnPool())
      return
    }
    if (performance.now() - this.poolSince > STALE_GC_MS) this.collect('recollect')
    else this.parkV8()
  }

  private readonly parkV8 = this.guarded(() => {
    // The time to hold threads may have been over in the turn before.
    if (this.phase !== 'pool' && this.phase !== 'recollect') return
    this.phase = 'v8'
    this.waitingFor = "V8's worker threads"
    this.native.quiesceParkV8Workers()
    this.advance()
  })

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
    const taken = this.guarded(() => {
      this.learning = undefined
      if (this.phase !== 'pool' && this.phase !== 'v8') return
      take()
      this.advance()
    })
    this.learning ??= setTimeout(taken, LEARN_MS)
  }

  private enterFork(): void {
    this.phase = 'fork'
    this.waitingFor = 'a Worker or another thread to come to rest; busy Workers should load forksnap/worker'
    this.rehearseLook()
    setImmediate(this.tryFork)
  }

  /** The first look of a process takes several times as long as the next ones: it comes before the pause. */
  private rehearseLook(): void {
    if (looked) return
    looked = true
    this.native.quiesceLook()
    this.native.quiesceReleaseIsolates()
  }

  /**
   * The others run again. All that is left writes to pages which a forked process must copy first, a few microseconds for
   * each: that is left to a turn of its own.
   */
  private forked(result: T): void {
    this.phase = 'over'
    stage = 'forked'
    setImmediate(() => {
      this.end()
      this.resolve(result)
    })
  }

  private readonly tryFork = (): void => {
    if (this.phase !== 'fork') return
    try {
      const pausedMs = performance.now()
      const result = this.native.quiesceLook() ? this.critical(pausedMs, pausedMs - this.heldSince) : AGAIN
      if (result === AGAIN) {
        // Before anything else of the main thread's runs: it might wait for one of these Workers.
        this.native.quiesceReleaseIsolates()
        setTimeout(this.tryFork, LOOK_AGAIN_MS)
        return
      }
      this.forked(result)
    } catch (error) {
      this.fail(error)
    }
  }
}

/** In portions between turns: all of it at once would take a millisecond per GB. */
function putHeapMarkBack(native: NativeBinding): void {
  if (native.putHeapMarkBack(false)) setImmediate(putHeapMarkBack, native)
}

/** The error of a caller who has changed his mind. */
export function aborted(signal: AbortSignal | undefined): ForksnapError {
  return new ForksnapError('ERR_ABORTED', 'The snapshot was aborted by its caller.', { cause: signal?.reason })
}

let last: Promise<unknown> = Promise.resolve()

/**
 * Brings the other threads of the process to rest without blocking the main thread, then calls `critical` in a turn of
 * its own, outside of any microtask; it forks, or returns AGAIN. All is released when the promise settles, which is in a
 * later turn than the fork. Attempts wait for one another. Rejects with `ERR_NOT_QUIESCENT` at the deadline and with
 * `ERR_ABORTED`.
 */
export function quiesce<T>(options: QuiesceOptions, critical: Critical<T>): Promise<T> {
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

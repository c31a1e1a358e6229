import type { SaveIdentity } from './diagnostics'
import type { ParentCost } from './parent-cost'

/** What `runFork` (fork.ts) takes and gives: the seam between the fork protocol and those who schedule forks. */

/** How the child is set up, beside what the protocol demands. All fields are optional. */
export interface ChildOptions {
  /** Name that `ps` shows, at most 15 bytes are kept by the kernel. Default `forksnap`. */
  readonly title?: string
  /** Added to the parent's nice value, 0 to 19. Default 0. */
  readonly nice?: number
  /**
   * 'idle': the child runs where nobody else wants a processor, and gives way at once (Linux, SCHED_IDLE). A nice value does
   * less: whoever wakes up may still have to wait until the child's slice is over. On a machine that is busy all the time
   * such a child hardly gets on, so mind the limits. Default: unchanged.
   */
  readonly cpuPriority?: 'idle'
  /** I/O priority class (Linux). Default: unchanged. */
  readonly ioPriority?: 'idle' | 'best-effort-low'
  /** CPUs that the child may run on (Linux), numbers from 0. Default: the parent's. */
  readonly cpus?: readonly number[]
  /** `oom_score_adj` of the child (Linux), -1000 to 1000. Default: the parent's plus 500, at most 1000. */
  readonly oomScoreAdj?: number
  /** Whether a crash of the child may dump a core of the whole state. Default false. */
  readonly coreDump?: boolean
  /**
   * Threads that V8 gets in the child for concurrent compilation and parallel garbage collection, 0 to 16; they begin
   * anew there, since none of the parent's survives the fork. Where the system refuses them the child does without.
   * Default 2.
   */
  readonly v8Workers?: number
  /**
   * V8's `--efficiency-mode` in the child. Default 'auto': where it helps, in children without `v8Workers` on Node 24 and
   * newer.
   */
  readonly efficiencyMode?: 'auto' | boolean
}

export interface ForkLimits {
  /** Give up bringing the other threads to rest after this many milliseconds. */
  readonly quiesceMs: number
  /** Kill a child that has made no progress for this many milliseconds; 0 = no limit. */
  readonly stallMs: number
  /** Kill a child that is older than this many milliseconds; 0 = no limit. */
  readonly totalMs: number
}

/** How far a child is, as it last said. */
export interface Progress {
  /** Rows so far. */
  readonly rows: number
  /** Bytes so far. */
  readonly bytes: number
  /** Copy-on-write bytes so far, as the child last measured them. */
  readonly cowBytes: number
}

/** Where a pause went, in milliseconds. What is missing from the whole was spent in JavaScript and in the set-up. */
export interface PauseParts {
  /** The caller's hook. */
  readonly prepareMs: number
  /** The last look at the other threads. */
  readonly lookMs: number
  /** Letting the child inherit the heap (MADV_DOFORK). */
  readonly inheritMs: number
  /** The system call alone. */
  readonly forkMs: number
  /** Keeping the heap from children of `child_process` again (MADV_DONTFORK), as far as that cannot wait. */
  readonly restoreMs: number
  /** Letting the parked threads go. */
  readonly releaseMs: number
}

/** A fork that succeeded. Times are in milliseconds. */
export interface ForkInfo {
  /** Process id of the child. */
  readonly pid: number
  /** From the start of the work to the fork, without a pause: two young collections, parking, the scan. */
  readonly quiesceMs: number
  /** For how long libuv's pool and V8's workers had been held by the fork: file work waited for so long. */
  readonly parkedMs: number
  /** The system call alone. */
  readonly forkMs: number
  /** The whole synchronous part in the parent, `prepare()` included. The child is attended to from the next turn on. */
  readonly pauseMs: number
  /** Where the pause went. */
  readonly pauseParts?: PauseParts
}

/** What the function that runs in a child is given. */
export interface ChildContext {
  /**
   * Tells the parent how far the work is; also what the stall limit looks at. Totals, not differences: whole numbers
   * from 0 to `Number.MAX_SAFE_INTEGER`, else it throws `ERR_INVALID_ARGUMENT`.
   */
  progress(rows: number, bytes: number): void
}

/** How what a child returns travels to its parent. The native page bounds it to a little more than 16 MiB. */
export interface ResultCodec<Value> {
  /** Runs in the child. */
  encode(value: Value): Uint8Array
  /** Runs in the parent. */
  decode(bytes: Buffer): Value
}

export interface ForkJob<Prepared, Value> {
  /** Runs in the parent, in the same tick as the fork. */
  prepare(): Prepared
  /** Runs in the child, synchronously. What it returns reaches the parent by `result`. */
  run(child: ChildContext, prepared: Prepared): Value
  /** Default: structured-cloned, up to 1 MiB. */
  readonly result?: ResultCodec<Value>
  /** Descriptors that the child keeps beside stderr. */
  readonly keepFds?: readonly number[]
  readonly child?: ChildOptions
  readonly limits: ForkLimits
  /** For so many milliseconds at most full collections are put off while the child lives. Default 60,000, 0 = none. */
  readonly deferFullGcMs?: number
  /** Aborting kills the child (or gives up before the fork) and rejects with `ERR_ABORTED`. */
  readonly signal?: AbortSignal
  /** The save that the fork is for, as the diagnostics channels tell it. */
  readonly save?: SaveIdentity
  onForked?(info: ForkInfo): void
  /** Called about every `progressMs` while the child lives. */
  onProgress?(progress: Progress): void
  /** Default 100. */
  readonly progressMs?: number
}

/** What the child itself had to do beside its work. */
export interface ChildCost {
  /** Page faults from the fork to its end: pages that it copied, and new memory. */
  readonly faults: number
  /** Collections of its young generation. */
  readonly young: number
  /** Full collections. */
  readonly full: number
}

/** What came of a fork whose child ended cleanly. Times are in milliseconds. */
export interface ChildResult<Value> extends ForkInfo, ParentCost {
  /** What the child's function returned. */
  readonly value: Value
  /** The child's exit code: any other one is an error. */
  readonly exitCode: 0
  /** From the fork to the child's end, as the parent saw it. */
  readonly childMs: number
  /** From the start of the work to the child's end. */
  readonly totalMs: number
  /** Longest time that the event loop did not turn, from the start of the work to the child's end. */
  readonly longestGapMs: number
  /** 99th percentile of the event loop's delay over the same time. */
  readonly loopDelayP99Ms: number
  /** Rows that the child said it had written. */
  readonly rows: number
  /** Bytes that the child said it had written. */
  readonly bytes: number
  /**
   * Private dirty bytes of the child at its end, as Redis counts copy-on-write: pages of the fork's instant that parent or
   * child have written since, and the child's new memory. Not those that the child has given back.
   */
  readonly cowBytes: number
  /** What the child had to do beside its work. */
  readonly childCost: ChildCost
}

/** The same with what `prepare` returned. */
export interface ForkOutcome<Prepared, Value> extends ChildResult<Value> {
  readonly prepared: Prepared
}

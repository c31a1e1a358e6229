import type { ChildCost } from './fork-job'
import type { ParentCost } from './parent-cost'
import type { JsonValue, SliceMeta } from './slice/types'

/** What made a save begin. `retry` follows a failed one. */
export type SaveReason = 'manual' | 'interval' | 'save-point' | 'retry' | 'close'

/** A published slice and what it took to make it. Times are in milliseconds. */
export interface Saved<M extends SliceMeta = SliceMeta> extends ParentCost {
  /** Id of the slice. */
  readonly sliceId: bigint
  /** Where replay of the operation log starts: `meta().position`, 0n if it gives none. */
  readonly position: bigint
  /** The epoch in which it was written. */
  readonly epoch: bigint
  /** Where the slice is, for people: a path, a table. */
  readonly location: string
  /** What made the save begin. */
  readonly reason: SaveReason
  /** What `meta()` returned at the fork's instant. */
  readonly meta: M
  /** What `slice.set` said. */
  readonly values: { readonly [key: string]: JsonValue }
  /** Rows of all its tables. */
  readonly rows: number
  /** Length of the slice's stream. */
  readonly bytes: number
  /** The whole synchronous part in the parent, `meta()` included: nothing else was served for so long. */
  readonly pauseMs: number
  /** The system call fork() alone, a part of the pause. */
  readonly forkMs: number
  /** Bringing the other threads to rest, without a pause. */
  readonly quiesceMs: number
  /** For how long libuv's pool and V8's workers had been held by the fork: file work waited for so long. */
  readonly parkedMs: number
  /** Longest time the event loop did not turn, from the beginning of the save to the child's end. */
  readonly longestGapMs: number
  /** 99th percentile of the event loop's delay, from the start of the quiescing to the child's end. */
  readonly loopDelayP99Ms: number
  /** What parent and child have copied, and the child's new memory, in bytes, as Redis counts it. */
  readonly cowBytes: number
  /** What the child had to do beside its work. */
  readonly childCost: ChildCost
  /** From the fork to the child's end. */
  readonly childMs: number
  /** From the beginning of the save to the slice's publication. */
  readonly totalMs: number
  /** How often the fork was tried: 1, and 1 more for each time that the other threads were too busy. */
  readonly attempts: number
}

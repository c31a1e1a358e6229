import { binding, type NativeCost } from './binding'
import type { LoopDelay } from './loop-delay'

/**
 * Page faults of this process, all its threads included, that were served from memory (`ru_minflt`): the copies of pages
 * that a child shares, and every first touch of a new page.
 */
export interface PageFaults {
  /** While the other threads were brought to rest. */
  readonly quiesce: number
  /** In the pause. */
  readonly pause: number
  /** From the pause's end to the child's end. */
  readonly child: number
}

/** Garbage collections of the main thread from the fork to the child's end. */
export interface Collections {
  /** Collections of the young generation. */
  readonly young: number
  /** Full collections. */
  readonly full: number
  /** Times that marking for a full collection began, in steps between other work. */
  readonly markings: number
  /** Time spent in all of them, in milliseconds; the steps of marking are not included. */
  readonly ms: number
}

/** What a child cost its parent beside the pause. */
export interface ParentCost {
  /** Page faults of the parent. */
  readonly faults: PageFaults
  /**
   * At most so many bytes were copied for the parent's writes while the child lived: `faults.child` in pages. What it had
   * to touch for the first time is counted as well, and no copy.
   */
  readonly copiedBytesMax: number
  /** Garbage collections of the parent's main thread. */
  readonly collections: Collections
  /** The event loop's delay from the pause's end to the child's end. */
  readonly childDelay: LoopDelay
}

/** What came between two totals. */
export function costBetween(from: NativeCost, to: NativeCost): { faults: number; collections: Collections } {
  const collections = {
    young: to.youngGcs - from.youngGcs,
    full: to.fullGcs - from.fullGcs,
    markings: to.markings - from.markings,
    ms: to.gcMs - from.gcMs,
  }
  return { faults: to.faults - from.faults, collections }
}

/** From the totals at four moments: the beginning, before the pause, after it, the child's end. */
export function parentCost(
  [begun, paused, forked, ended]: readonly [NativeCost, NativeCost, NativeCost, NativeCost],
  childDelay: LoopDelay,
): ParentCost {
  const { faults: child, collections } = costBetween(forked, ended)
  return {
    faults: { quiesce: costBetween(begun, paused).faults, pause: costBetween(paused, forked).faults, child },
    copiedBytesMax: child * binding().pageBytes,
    collections,
    childDelay,
  }
}

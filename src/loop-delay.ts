import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Resolution of the measurement: a gap is known to within this many milliseconds. */
const RESOLUTION_MS = 1
const NS_PER_MS = 1e6

export interface LoopDelay {
  /** Longest time that the loop did not turn, in milliseconds. */
  readonly longestGapMs: number
  /** 99th percentile of the delay, in milliseconds. */
  readonly p99Ms: number
}

/** Measures the event loop's delay from now until `stop`, by a native timer that fires every millisecond. */
export function measureLoopDelay(): { stop(): Promise<LoopDelay> } {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return {
    async stop() {
      // A gap is recorded by the timer that ends it: let that one fire before the histogram is read.
      await new Promise((resolve) => setTimeout(resolve, 2 * RESOLUTION_MS))
      histogram.disable()
      const delay = (ns: number): number => (Number.isFinite(ns) ? Math.max(0, ns / NS_PER_MS - RESOLUTION_MS) : 0)
      return { longestGapMs: delay(histogram.max), p99Ms: delay(histogram.percentile(99)) }
    },
  }
}

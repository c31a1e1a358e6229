import { monitorEventLoopDelay } from 'node:perf_hooks'

type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>

/** Resolution of the measurement: a gap is known to within this many milliseconds. */
const RESOLUTION_MS = 1
const NS_PER_MS = 1e6

/** The event loop's delay over some time. */
export interface LoopDelay {
  /** Longest time that the loop did not turn, in milliseconds. */
  readonly longestGapMs: number
  /** Median of the delay, in milliseconds. */
  readonly p50Ms: number
  /** 99th percentile of the delay, in milliseconds. */
  readonly p99Ms: number
  /** 99.9th percentile of the delay, in milliseconds. */
  readonly p999Ms: number
}

/**
 * Histograms that nobody uses just now. Each holds some 50 KB outside of V8's heap, of which the collector knows nothing:
 * a new one for every measurement would pile up by the thousand before any of them is collected.
 */
const idle: IntervalHistogram[] = []

async function stopAndRead(histogram: IntervalHistogram): Promise<LoopDelay> {
  // A gap is recorded by the timer that ends it: let that one fire before the histogram is read.
  await new Promise((resolve) => setTimeout(resolve, 2 * RESOLUTION_MS))
  histogram.disable()
  const delay = (ns: number): number => (Number.isFinite(ns) ? Math.max(0, ns / NS_PER_MS - RESOLUTION_MS) : 0)
  const result = {
    longestGapMs: delay(histogram.max),
    p50Ms: delay(histogram.percentile(50)),
    p99Ms: delay(histogram.percentile(99)),
    p999Ms: delay(histogram.percentile(99.9)),
  }
  idle.push(histogram)
  return result
}

/** A measurement under way. Stopping it again gives the same result. */
export interface LoopDelayMeasurement {
  stop(): Promise<LoopDelay>
}

export interface ReadyLoopDelay {
  /** Measures from `sinceMs` on, on the clock of `performance.now()`: from then until now counts as one gap. */
  start(sinceMs?: number): LoopDelayMeasurement
  /** Ends it, whether it was started or not. */
  drop(): void
}

/** Measures the event loop's delay from now until `stop`, by a native timer that fires every millisecond. */
export function measureLoopDelay(): LoopDelayMeasurement {
  return readyLoopDelay().start()
}

/**
 * The same for who cannot wait when it begins: emptying a histogram writes all of its pages, which takes a third of a
 * millisecond in a process that has just forked and must copy each of them.
 */
export function readyLoopDelay(): ReadyLoopDelay {
  const histogram = idle.pop() ?? monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.reset()
  let started: LoopDelayMeasurement | undefined
  let dropped = false
  return {
    start: (sinceMs = performance.now()) => (started ??= startMeasuring(histogram, sinceMs)),
    drop() {
      if (started !== undefined) void started.stop()
      else if (!dropped) idle.push(histogram)
      dropped = true
    },
  }
}

function startMeasuring(histogram: IntervalHistogram, sinceMs: number): LoopDelayMeasurement {
  histogram.enable()
  // The histogram counts from its timer's first tick on; the turn that is going on now belongs to the measurement too.
  const startedMs = performance.now()
  let firstTurnMs = startedMs - sinceMs
  setImmediate(() => (firstTurnMs = Math.max(firstTurnMs, performance.now() - startedMs)))
  const read = async (): Promise<LoopDelay> => {
    const delay = await stopAndRead(histogram)
    return { ...delay, longestGapMs: Math.max(delay.longestGapMs, firstTurnMs) }
  }
  let stopped: Promise<LoopDelay> | undefined
  return { stop: () => (stopped ??= read()) }
}

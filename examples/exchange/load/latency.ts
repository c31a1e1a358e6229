import { build } from 'hdr-histogram-js'
import type { Samples } from './samples'

/** Latencies in milliseconds. Without a sample all of them are NaN. */
export interface Percentiles {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** A span of time, in milliseconds since the epoch. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** The histogram counts microseconds with three digits, up to ten minutes. */
const US_PER_MS = 1000
const HIGHEST_US = 600 * 1e6

/** The latency that a client feels: from when a request was due to its answer. */
export function latencies(samples: Samples, belongs: (place: number) => boolean = () => true): Percentiles {
  return percentiles(samples, samples.intended, samples.done, belongs)
}

/** How late requests were sent: what of their latency is the generator's own, or that of its bound on requests in flight. */
export function lateness(samples: Samples): Percentiles {
  return percentiles(samples, samples.intended, samples.sent, () => true)
}

function percentiles(
  { count }: Samples,
  begin: Float64Array,
  end: Float64Array,
  belongs: (place: number) => boolean,
): Percentiles {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  })
  for (let i = 0; i < count; i++) {
    if (!belongs(i)) continue
    const us = Math.round((end[i] - begin[i]) * US_PER_MS)
    histogram.recordValue(Math.min(HIGHEST_US, Math.max(1, us)))
  }
  const at = (percentile: number): number =>
    histogram.totalCount === 0 ? NaN : histogram.getValueAtPercentile(percentile) / US_PER_MS
  return { count: histogram.totalCount, p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: at(100) }
}

export interface SplitLatencies {
  readonly during: Percentiles
  readonly outside: Percentiles
}

/** Latencies of the requests that had any of their time within one of the spans, and of all others. */
export function splitLatencies(samples: Samples, spans: readonly Span[]): SplitLatencies {
  const touched = (i: number): boolean =>
    spans.some(({ from, to }) => samples.done[i] >= from && samples.intended[i] <= to)
  const during = Uint8Array.from({ length: samples.count }, (_, i) => Number(touched(i)))
  return {
    during: latencies(samples, (i) => during[i] === 1),
    outside: latencies(samples, (i) => during[i] === 0),
  }
}

/** The longest time within a span in which no answer came, in milliseconds. */
export function longestGap({ done }: Samples, { from, to }: Span): number {
  const times = done.filter((time) => time >= from && time <= to).sort()
  let longest = 0
  let last = from
  for (const time of times) {
    longest = Math.max(longest, time - last)
    last = time
  }
  return Math.max(longest, to - last)
}

/** Answers a second within a span. */
export function throughput({ done }: Samples, { from, to }: Span): number {
  let answers = 0
  for (const time of done) if (time >= from && time <= to) answers++
  return (answers * 1000) / (to - from)
}

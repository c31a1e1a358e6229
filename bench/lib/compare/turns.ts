/** What the turns of an event loop, or the answers of a server, say about a span of time. */
import { quantile } from '../statistics'

/** When each turn began in milliseconds, ascending, and how many operations had been done by then. */
export interface Turns {
  readonly turns: readonly number[]
  readonly counts: readonly number[]
}

/** Times between two turns in milliseconds. A percentile is that of moments: a caller who comes at a random one waits so long. */
export interface Delay {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

/** Time since the beginning of a snapshot, and the longest gap that ended in this part of it; both in milliseconds. */
export type TimelinePoint = readonly [atMs: number, gapMs: number]

/** The turns' gaps that touch the span, the first and the last of them in full. */
function gapsIn({ turns }: Turns, from: number, to: number): { readonly at: number; readonly gap: number }[] {
  const gaps: { at: number; gap: number }[] = []
  for (let i = 1; i < turns.length; i++) {
    const before = turns[i - 1] ?? NaN
    const at = turns[i] ?? NaN
    if (before >= to) break
    if (at > from) gaps.push({ at, gap: at - before })
  }
  return gaps
}

/**
 * Percentiles over time, not over turns: at each millisecond of the span somebody comes, and waits until the turn that is
 * going on has ended. A loop that stands still for a second is otherwise one sample among thousands.
 */
export function delayIn(turns: Turns, from: number, to: number): Delay {
  const waits: number[] = []
  let maxMs = 0
  for (const { at, gap } of gapsIn(turns, from, to)) {
    maxMs = Math.max(maxMs, gap)
    const first = Math.max(Math.ceil(at - gap - from), 0)
    for (let ms = first; from + ms < Math.min(at, to); ms++) waits.push(at - (from + ms))
  }
  const part = (of: number): number => quantile(waits, of)
  return { p50Ms: part(0.5), p99Ms: part(0.99), p999Ms: part(0.999), maxMs }
}

/** Operations a second in the span; those of a turn that is only partly in it count in proportion. */
export function rateIn({ turns, counts }: Turns, from: number, to: number): number {
  return ((doneBy(turns, counts, to) - doneBy(turns, counts, from)) / (to - from)) * 1000
}

function doneBy(turns: readonly number[], counts: readonly number[], when: number): number {
  const next = turns.findIndex((at) => at >= when)
  if (next === -1) return counts.at(-1) ?? 0
  const at = turns[next] ?? NaN
  const count = counts[next] ?? NaN
  if (next === 0) return count
  const before = turns[next - 1] ?? NaN
  const part = (when - before) / (at - before)
  return (counts[next - 1] ?? NaN) + part * (count - (counts[next - 1] ?? NaN))
}

/**
 * The gaps of a span in so many parts of equal length, of each the longest one; `from` is where time 0 is. A part in which no turn
 * began belongs to a gap that ended later, and has that gap's length.
 */
export function timelineOf(turns: Turns, from: number, start: number, end: number, parts: number): TimelinePoint[] {
  const width = (end - start) / parts
  const longest = new Array<number>(parts).fill(0)
  for (const { at, gap } of gapsIn(turns, start, end)) {
    const first = Math.max(0, Math.floor((at - gap - start) / width))
    const last = Math.min(parts - 1, Math.floor((at - start) / width))
    for (let part = first; part <= last; part++) longest[part] = Math.max(longest[part] ?? 0, gap)
  }
  return longest.map((gap, part): TimelinePoint => [round(start - from + part * width), round(gap)])
}

/** To microseconds. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** What a comparison has found, and what is made of it. All of it is plain JSON. */
import type { Host, Target } from '../report'
import { isMet } from '../report'
import { median } from '../statistics'
import type { Sample } from './method'
import { METHODS } from './methods'
import type { Delay, TimelinePoint } from './turns'

/** One method with so many records: its snapshots, or why there are none. */
export interface Outcome {
  readonly method: string
  readonly records: number
  readonly samples: readonly Omit<Sample, 'timeline'>[]
  /** Of the snapshot whose longest gap is the median. */
  readonly timeline: readonly TimelinePoint[]
  readonly missing?: string
}

export interface Comparison {
  readonly bench: 'compare'
  /** When it ended, as an ISO date. */
  readonly takenAt: string
  readonly rounds: number
  readonly host: Host
  /** Versions of what forksnap is compared with, by name. */
  readonly versions: Readonly<Record<string, string>>
  readonly outcomes: readonly Outcome[]
}

/** Medians over the snapshots of one outcome; null is what the method does not have. */
export interface Summary {
  readonly pauseMs: number | null
  readonly totalMs: number | null
  readonly rowsPerSecond: number | null
  readonly bytes: number | null
  readonly copiedBytes: number | null
  readonly extraBytes: number | null
  /** Operations a second meanwhile by those before: 1 is as many. */
  readonly kept: number | null
  readonly rateBefore: number | null
  readonly delay: Delay | null
  readonly quiet: Delay | null
}

type Pick<T> = (sample: Outcome['samples'][number]) => T | null

export function summaryOf({ records, samples }: Outcome): Summary {
  const middle = (pick: Pick<number>): number | null => {
    const values = samples.map(pick).filter((value) => value !== null)
    return values.length === 0 ? null : median(values)
  }
  const delay = (pick: Pick<Delay>): Delay | null => {
    const part = (name: keyof Delay): number | null => middle((sample) => pick(sample)?.[name] ?? null)
    const [p50Ms, p99Ms, p999Ms, maxMs] = [part('p50Ms'), part('p99Ms'), part('p999Ms'), part('maxMs')]
    if (p50Ms === null || p99Ms === null || p999Ms === null || maxMs === null) return null
    return { p50Ms, p99Ms, p999Ms, maxMs }
  }
  const totalMs = middle((sample) => sample.totalMs)
  return {
    pauseMs: middle((sample) => sample.pauseMs),
    totalMs,
    rowsPerSecond: totalMs === null ? null : (records * 1000) / totalMs,
    bytes: middle((sample) => sample.bytes),
    copiedBytes: middle((sample) => sample.copiedBytes),
    extraBytes: middle((sample) => sample.extraBytes),
    kept: middle(({ rateBefore, rateDuring }) => (rateBefore && rateDuring !== null ? rateDuring / rateBefore : null)),
    rateBefore: middle((sample) => sample.rateBefore),
    delay: delay((sample) => sample.delayDuring),
    quiet: delay((sample) => sample.delayBefore),
  }
}

/** Keeps one timeline, that of the snapshot in the middle. */
export function outcomeOf(method: string, records: number, samples: readonly Sample[]): Outcome {
  const longest = (sample: Sample): number => sample.delayDuring?.maxMs ?? 0
  const middle = median(samples.map(longest))
  const timeline = samples.find((sample) => longest(sample) === middle)?.timeline ?? []
  return { method, records, samples: samples.map(({ timeline: _, ...sample }) => sample), timeline }
}

export function missing(method: string, records: number, reason: string): Outcome {
  return { method, records, samples: [], timeline: [], missing: reason }
}

/** Several runs, such as one for each size, as one; what else is known of them is that of the first. */
export function merged(comparisons: readonly Comparison[]): Comparison {
  const [first] = comparisons
  if (first === undefined) throw new RangeError('there is no comparison to merge')
  return { ...first, outcomes: comparisons.flatMap(({ outcomes }) => outcomes) }
}

/** Numbers of records that were compared, ascending. */
export function sizesOf({ outcomes }: Comparison): number[] {
  return [...new Set(outcomes.map(({ records }) => records))].sort((a, b) => a - b)
}

export function pauseOf({ outcomes }: Comparison, method: string, records: number): number | null {
  const outcome = outcomes.find((one) => one.method === method && one.records === records)
  return outcome === undefined ? null : summaryOf(outcome).pauseMs
}

/** The shortest pause among the methods that stop everything, and whose it is. */
export function shortestStop(comparison: Comparison, records: number): { method: string; pauseMs: number } | null {
  const stops = METHODS.filter(({ kind }) => kind === 'stops').flatMap(({ id }) => {
    const pauseMs = pauseOf(comparison, id, records)
    return pauseMs === null ? [] : [{ method: id, pauseMs }]
  })
  return stops.sort((a, b) => a.pauseMs - b.pauseMs)[0] ?? null
}

/** Records for which there are targets. */
const JUDGED = 1_000_000
const STOPS_AT_LEAST = 80
const REDIS_AT_MOST = 1 / 5

/** Only those for which both sides were measured. */
export function targetsOf(comparison: Comparison): (Target & { readonly met: boolean })[] {
  const targets: Target[] = []
  const stop = shortestStop(comparison, JUDGED)
  const at = 'at a million records'
  for (const { id, label } of METHODS.filter((method) => method.id !== 'redis' && method.kind === 'forks')) {
    const pauseMs = pauseOf(comparison, id, JUDGED)
    if (pauseMs === null || stop === null) continue
    const name = `shortest pause that stops everything / pause of ${label}, ${at}`
    targets.push({ name, measured: stop.pauseMs / pauseMs, limit: STOPS_AT_LEAST, kind: 'at-least' })
  }
  const packed = pauseOf(comparison, 'packed', JUDGED)
  const redis = pauseOf(comparison, 'redis', JUDGED)
  if (packed !== null && redis !== null) {
    const name = `pause of forksnap with a packed heap / fork of Redis, ${at}`
    targets.push({ name, measured: packed / redis, limit: REDIS_AT_MOST, kind: 'at-most' })
  }
  return targets.map((target) => ({ ...target, met: isMet(target) }))
}

import { lateness, latencies, type Percentiles } from './latency'
import type { LoadReport } from './run'
import type { Samples } from './samples'

const count = (value: number): string => Math.round(value).toLocaleString('en')
const ms = (value: number): string => (Number.isNaN(value) ? '–' : value.toFixed(value < 10 ? 2 : 1))

export function percentileLine(name: string, { count: samples, p50, p90, p99, p999, max }: Percentiles): string {
  const figures = [p50, p90, p99, p999, max].map((value) => ms(value).padStart(9)).join('')
  return `${name.padEnd(30)}${figures}${count(samples).padStart(12)}`
}

export function percentileTitle(): string {
  const names = ['p50', 'p90', 'p99', 'p99.9', 'max'].map((name) => name.padStart(9)).join('')
  return `${'milliseconds'.padEnd(30)}${names}${'requests'.padStart(12)}`
}

/** A report for people, a line each. */
export function reportLines(report: LoadReport): string[] {
  const { sent, planned, answered, heldBack, elapsedMs, samples, endings, violations } = report
  const late = planned - sent
  return [
    `${count(answered)} answers in ${(elapsedMs / 1000).toFixed(1)} s, ${count((answered * 1000) / elapsedMs)} a second`,
    percentileTitle(),
    percentileLine('latency from the intended time', latencies(samples)),
    percentileLine('of that: late when sent', lateness(samples)),
    ...(heldBack > 0 ? [`${count(heldBack)} requests were held back: too many were in flight`] : []),
    ...(late > 0
      ? [`${count(late)} requests were due and never sent: the latencies are better than what clients saw`]
      : []),
    ...Object.entries(endings)
      .sort()
      .map(([ending, times]) => `${ending.padEnd(38)}${count(times).padStart(12)}`),
    violations.count === 0 ? 'every answer was right' : `${count(violations.count)} VIOLATIONS, the first:`,
    ...violations.first.map((text) => `  ${text}`),
  ]
}

/** The same without the samples, as JSON; with the percentiles of each second, by when requests were due. */
export function reportJson({ samples, ...report }: LoadReport): string {
  const all = { latencyMs: latencies(samples), latenessMs: lateness(samples), perSecondMs: perSecond(samples) }
  return JSON.stringify({ ...report, ...all })
}

function perSecond(samples: Samples): Percentiles[] {
  const { intended, count: all } = samples
  const first = intended.length === 0 ? 0 : intended[0]
  const second = (i: number): number => Math.floor((intended[i] - first) / 1000)
  const seconds = all === 0 ? 0 : second(all - 1) + 1
  return Array.from({ length: Math.max(0, seconds) }, (_, number) => latencies(samples, (i) => second(i) === number))
}

import { splitLatencies, type Span } from './load/latency'
import { percentileLine, percentileTitle } from './load/report'
import type { LoadReport } from './load/run'

export interface Totals {
  readonly orders: number
  readonly trades: number
}

export interface Summary {
  readonly report: LoadReport
  /** When snapshots ran, from the beginning of each to its publication. */
  readonly spans: readonly Span[]
  /** Of every fork, in milliseconds. */
  readonly pauses: readonly number[]
  readonly before: Totals
  readonly after: Totals
}

const count = (value: number): string => Math.round(value).toLocaleString('en')

/** What came of a run, a line each. */
export function summaryLines({ report, spans, pauses, before, after }: Summary): string[] {
  const { answered, elapsedMs, heldBack, planned, sent, violations, samples } = report
  const { during, outside } = splitLatencies(samples, spans)
  const longest = pauses.length === 0 ? 'no fork' : `longest pause ${Math.max(...pauses).toFixed(1)} ms`
  return [
    '',
    `${count(answered)} requests in ${(elapsedMs / 1000).toFixed(1)} s: ` +
      `${count(after.orders - before.orders)} orders, ${count(after.trades - before.trades)} trades`,
    `${spans.length} ${spans.length === 1 ? 'snapshot' : 'snapshots'}, ${longest}`,
    percentileTitle(),
    percentileLine('while a snapshot ran', during),
    percentileLine('without', outside),
    ...(heldBack > 0 ? [`${count(heldBack)} requests were held back: too many were in flight`] : []),
    ...(planned > sent ? [`${count(planned - sent)} requests were due and never sent`] : []),
    violations.count === 0
      ? 'every answer was checked and right'
      : `${count(violations.count)} answers were wrong, the first:`,
    ...violations.first.map((text) => `  ${text}`),
  ]
}

/** The raw numbers as tables of HTML. */
import { methodOf } from '../compare/methods'
import { type Comparison, type Outcome, summaryOf, targetsOf } from '../compare/results'
import { type Report, short } from '../report'
import { spread } from '../statistics'
import { MARKS } from './focus'
import { escape, whole } from './format'

interface Column {
  readonly head: string
  readonly unit: string
  readonly value: (summary: ReturnType<typeof summaryOf>) => number | null | undefined
  readonly factor?: number
}

const COLUMNS: readonly Column[] = [
  { head: 'pause', unit: 'ms', value: ({ pauseMs }) => pauseMs },
  { head: 'longest gap', unit: 'ms', value: ({ delay }) => delay?.maxMs },
  { head: 'p50', unit: 'ms', value: ({ delay }) => delay?.p50Ms },
  { head: 'p99', unit: 'ms', value: ({ delay }) => delay?.p99Ms },
  { head: 'p99.9', unit: 'ms', value: ({ delay }) => delay?.p999Ms },
  { head: 'gap without', unit: 'ms', value: ({ quiet }) => quiet?.maxMs },
  { head: 'total', unit: 's', value: ({ totalMs }) => totalMs, factor: 1e-3 },
  { head: 'rate', unit: 'k/s', value: ({ rowsPerSecond }) => rowsPerSecond, factor: 1e-3 },
  { head: 'file', unit: 'MB', value: ({ bytes }) => bytes, factor: 1e-6 },
  { head: 'load before', unit: 'k/s', value: ({ rateBefore }) => rateBefore, factor: 1e-3 },
  { head: 'kept', unit: '%', value: ({ kept }) => kept, factor: 100 },
  { head: 'copied on write', unit: 'MB', value: ({ copiedBytes }) => copiedBytes, factor: 1e-6 },
  { head: 'memory risen', unit: 'MB', value: ({ extraBytes }) => extraBytes, factor: 1e-6 },
]

function table(caption: string, heads: readonly string[], rows: readonly string[]): string {
  const head = heads.map((text) => `<th scope="col">${text}</th>`).join('')
  return (
    `<div class="scroll" tabindex="0" role="region" aria-label="${escape(caption)}"><table><caption>${escape(caption)}</caption>` +
    `<thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  )
}

function rowOf(outcome: Outcome): string {
  const { label, kind } = methodOf(outcome.method)
  const name = `<th scope="row" class="name">${escape(label)}<small>${MARKS[kind]}</small></th>`
  if (outcome.missing !== undefined) {
    return `<tr>${name}<td class="missing" colspan="${COLUMNS.length}">left out: ${escape(outcome.missing)}</td></tr>`
  }
  const summary = summaryOf(outcome)
  const cells = COLUMNS.map(({ value, factor = 1 }) => {
    const one = value(summary)
    return `<td>${one === null || one === undefined ? '–' : short(one * factor)}</td>`
  })
  return `<tr>${name}${cells.join('')}</tr>`
}

export function sizeTable(comparison: Comparison, records: number): string {
  const heads = ['method', ...COLUMNS.map(({ head, unit }) => `${head}<small>${unit}</small>`)]
  const outcomes = comparison.outcomes.filter((outcome) => outcome.records === records)
  return table(`${whole(records)} records, medians of ${comparison.rounds} snapshots`, heads, outcomes.map(rowOf))
}

type Judged = Pick<Report['targets'][number], 'name' | 'measured' | 'limit' | 'kind'> & { readonly met?: boolean }

function targetRows(targets: readonly Judged[]): string[] {
  return targets.map(
    ({ name, measured, limit, kind, met = kind === 'at-most' ? measured <= limit : measured >= limit }) => {
      const sign = kind === 'at-most' ? '≤' : '≥'
      const verdict = `<td class="${met ? 'met' : 'missed'}">${met ? 'met' : 'missed'}</td>`
      return `<tr><th scope="row">${escape(name)}</th><td>${short(measured)}</td><td>${sign} ${short(limit)}</td>${verdict}</tr>`
    },
  )
}

export function targetTable(comparison: Comparison): string {
  const targets = targetsOf(comparison)
  return targets.length === 0 ? '' : table('Targets', ['', 'measured', 'target', ''], targetRows(targets))
}

/** What another benchmark printed with `--json`. */
export function reportTables({ bench, subject, figures, targets }: Report): string {
  const rows = figures.map(({ name, unit, values }) => {
    const { median, min, max, samples } = spread(values)
    const cells = [short(median), short(min), short(max), escape(unit), String(samples)]
    return `<tr><th scope="row">${escape(name.trim())}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
  })
  const measured = table(`${bench}: ${subject}`, ['', 'median', 'least', 'greatest', 'unit', 'samples'], rows)
  const judged = table(`${bench}: targets`, ['', 'measured', 'target', ''], targetRows(targets))
  return `<h3>${escape(bench)}</h3>${measured}${targets.length > 0 ? judged : ''}`
}

import { type Comparison, type Outcome, sizesOf, summaryOf, type Summary } from '../compare/results'
import type { Kind, Method } from '../compare/method'
import { METHODS } from '../compare/methods'

export interface Entry {
  readonly method: Method
  readonly outcome: Outcome
  readonly summary: Summary
}

/** What was measured with so many records, in the order of the methods. */
export function entriesAt({ outcomes }: Comparison, records: number): Entry[] {
  return METHODS.flatMap((method) => {
    const outcome = outcomes.find((one) => one.method === method.id && one.records === records)
    if (outcome === undefined || outcome.missing !== undefined) return []
    return [{ method, outcome, summary: summaryOf(outcome) }]
  })
}

/** The size that is looked at closely: the largest with (nearly) as many methods as any has. */
export function focusOf(comparison: Comparison): number {
  const sizes = sizesOf(comparison)
  const counts = sizes.map((records) => entriesAt(comparison, records).length)
  const enough = Math.max(...counts) * 0.9
  return sizes.filter((_, index) => (counts[index] ?? 0) >= enough).at(-1) ?? 0
}

/** How a kind is marked beside the name of a method; empty for forks, which need no warning. */
export const MARKS: Readonly<Record<Kind, string>> = {
  forks: '',
  stops: 'stops everything',
  inconsistent: 'inconsistent',
  continuous: 'no snapshot',
  floor: 'floor',
}

export function markedLabel({ label, kind }: Method): string {
  return MARKS[kind] === '' ? label : `${label} · ${MARKS[kind]}`
}

/** One sentence or two under each heading, made of the figures: what is not measured is not spoken of. */
import type { Comparison } from '../compare/results'
import { shortestStop, sizesOf, targetsOf } from '../compare/results'
import { type Entry, entriesAt } from './focus'
import { bytes, list, ms, percent, size, times, whole } from './format'

type Value = (entry: Entry) => number | null | undefined

interface Found {
  readonly entry: Entry
  readonly value: number
}

/** Those that have the value, the least first. */
function sorted(entries: readonly Entry[], value: Value): Found[] {
  const found = entries.flatMap((entry): Found[] => {
    const one = value(entry)
    return one === null || one === undefined ? [] : [{ entry, value: one }]
  })
  return found.sort((a, b) => a.value - b.value)
}

const isOurs = ({ method }: Entry): boolean => method.kind === 'forks' && method.id !== 'redis'
const stops = ({ method }: Entry): boolean => method.kind === 'stops'
const pause: Value = ({ summary }) => summary.pauseMs
const named = ({ entry, value }: Found, text: (value: number) => string): string =>
  `${entry.method.label} ${text(value)}`

/** What the page is about, in two sentences. */
export function lead(comparison: Comparison, records: number): string {
  const entries = entriesAt(comparison, records)
  const ours = sorted(entries.filter(isOurs), pause)
  const shortest = shortestStop(comparison, records)
  const own = list(ours.map((one) => named(one, ms)))
  const first = `To save ${whole(records)} records, a process stood still for: ${own === '' ? 'not measured' : own}.`
  const [least] = ours
  const most = ours.at(-1)
  if (shortest === null || least === undefined || most === undefined) return first
  const range = [...new Set([times(shortest.pauseMs / most.value), times(shortest.pauseMs / least.value)])]
  const label = entries.find(({ method }) => method.id === shortest.method)?.method.label
  return `${first} The quickest method that stops everything, ${label}, needed ${ms(shortest.pauseMs)}: ${range.join(' to ')} as long.`
}

export function pauseTakeaway(comparison: Comparison, records: number): string {
  const sentences: string[] = []
  const sizes = sizesOf(comparison).filter((one) => one <= records)
  const [small] = sizes
  if (small !== undefined && small !== records) {
    const before = entriesAt(comparison, small)
    const growth = sorted(entriesAt(comparison, records), pause).flatMap(({ entry, value }) => {
      const then = before.find(({ method }) => method.id === entry.method.id)?.summary.pauseMs
      return then ? [{ label: entry.method.label, kind: entry.method.kind, from: then, to: value }] : []
    })
    const forks = growth.find(({ kind }) => kind === 'forks')
    const stop = growth.filter(({ kind }) => kind === 'stops').at(-1)
    const grown = [forks, stop].filter((one) => one !== undefined)
    const parts = grown.map(({ label, from, to }) => `of ${label} from ${ms(from)} to ${ms(to)} (${times(to / from)})`)
    const span = `From ${size(small)} to ${size(records)} records`
    if (parts.length > 0) sentences.push(`${span} the pause grew ${list(parts)}.`)
  }
  const entries = entriesAt(comparison, records)
  const of = (id: string): number | null | undefined => entries.find(({ method }) => method.id === id)?.summary.pauseMs
  const [packed, redis, heap, floor] = [of('packed'), of('redis'), of('heap'), of('floor')]
  if (packed && redis) {
    sentences.push(
      `With a packed heap it was ${times(packed / redis)} that of Redis for as many records of as many bytes.`,
    )
  }
  if (heap && floor)
    sentences.push(`Without, it was ${times(heap / floor)} what plain C needs for a fork of the same memory.`)
  return sentences.join(' ')
}

export function timelineTakeaway(comparison: Comparison, records: number): string {
  const gaps = sorted(entriesAt(comparison, records), ({ summary }) => summary.delay?.maxMs)
  const [least] = gaps.filter(({ entry }) => isOurs(entry))
  const most = gaps.at(-1)
  const quiet = sorted(entriesAt(comparison, records), ({ summary }) => summary.quiet?.maxMs)
  if (least === undefined || most === undefined) return 'No delays were measured.'
  const usual = quiet[Math.floor(quiet.length / 2)]
  const rest =
    usual === undefined
      ? ''
      : ` In the second before, without a snapshot, the longest was ${ms(usual.value)} (the median of all).`
  const worst = most === least ? '' : `, at most ${ms(most.value)} (${most.entry.method.label})`
  return `Whoever asked at the worst moment waited at least ${ms(least.value)} (${least.entry.method.label})${worst}.${rest}`
}

export function totalTakeaway(comparison: Comparison, records: number): string {
  const rates = sorted(
    entriesAt(comparison, records).filter(({ method }) => method.kind !== 'continuous'),
    ({ summary }) => summary.rowsPerSecond,
  ).reverse()
  const [most] = rates
  const least = rates.at(-1)
  if (most === undefined || least === undefined) return 'No totals were measured.'
  const heap = rates.find(({ entry }) => entry.method.id === 'heap')
  const first = `The quickest was ${most.entry.method.label} with ${whole(most.value)} records a second, the slowest ${least.entry.method.label} with ${whole(least.value)}.`
  return heap === undefined || heap === most
    ? first
    : `${first} forksnap wrote ${whole(heap.value)} objects a second as rows.`
}

export function keptTakeaway(comparison: Comparison, records: number): string {
  const kept = sorted(entriesAt(comparison, records), ({ summary }) => summary.kept)
  const ours = list(kept.filter(({ entry }) => isOurs(entry)).map((one) => named(one, percent)))
  const others = kept.filter(({ entry }) => stops(entry))
  const first =
    ours === ''
      ? 'forksnap was not measured.'
      : `While a snapshot was made, so much of the throughput was left: ${ours}.`
  return others.length === 0
    ? first
    : `${first} Of the methods that stop everything: ${list(others.map((one) => named(one, percent)))}.`
}

export function memoryTakeaway(comparison: Comparison, records: number): string {
  const entries = entriesAt(comparison, records)
  const copied = sorted(entries, ({ summary }) => summary.copiedBytes)
  const extra = sorted(entries.filter(stops), ({ summary }) => summary.extraBytes)
  const sentences: string[] = []
  if (copied.length > 0) sentences.push(`Copied on write: ${list(copied.map((one) => named(one, bytes)))}.`)
  if (extra.length > 0)
    sentences.push(`What stops everything needs its copy as a whole: ${list(extra.map((one) => named(one, bytes)))}.`)
  return sentences.join(' ')
}

/** How many of the targets are met; empty where there are none to judge. */
export function targetsTakeaway(comparison: Comparison): string {
  const targets = targetsOf(comparison)
  const met = targets.filter((target) => target.met).length
  return targets.length === 0 ? '' : `${met} of ${targets.length} targets are met in this run.`
}

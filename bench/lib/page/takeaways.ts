/** What the figures say, for each heading: what is not measured is not spoken of. */
import type { Comparison } from '../compare/results'
import { shortestStop, sizesOf, targetsOf } from '../compare/results'
import { type Entry, entriesAt } from './focus'
import { bytes, list, ms, percent, size, times, whole } from './format'

/** Sentences; the first one is the message. */
export type Takeaway = readonly string[]

type Value = (entry: Entry) => number | null | undefined

interface Found {
  readonly entry: Entry
  readonly label: string
  readonly value: number
}

/** Those that have the value, the least first. */
function sorted(entries: readonly Entry[], value: Value): Found[] {
  const found = entries.flatMap((entry): Found[] => {
    const one = value(entry)
    return one === null || one === undefined ? [] : [{ entry, label: entry.method.label, value: one }]
  })
  return found.sort((a, b) => a.value - b.value)
}

const isOurs = ({ method }: Entry): boolean => method.kind === 'forks' && method.id !== 'redis'
const stops = ({ method }: Entry): boolean => method.kind === 'stops'
const pause: Value = ({ summary }) => summary.pauseMs

function named(found: readonly Found[], text: (value: number) => string): string {
  return list(found.map(({ label, value }) => `${label} ${text(value)}`))
}

/** From the least to the greatest, or the one that there is. */
function range(found: readonly Found[], text: (value: number) => string): string {
  const texts = [found[0], found.at(-1)].flatMap((one) => (one === undefined ? [] : [text(one.value)]))
  return [...new Set(texts)].join(' to ')
}

/** What the page is about. */
export function lead(comparison: Comparison, records: number): Takeaway {
  const ours = sorted(entriesAt(comparison, records).filter(isOurs), pause)
  const shortest = shortestStop(comparison, records)
  if (ours.length === 0) return ['forksnap was not measured.']
  const first = `A snapshot of ${whole(records)} records stopped its process for ${range(ours, ms)} with forksnap.`
  if (shortest === null) return [first]
  const ratios = range([...ours].reverse(), (value) => times(shortest.pauseMs / value))
  const label = entriesAt(comparison, records).find(({ method }) => method.id === shortest.method)?.method.label
  return [
    first,
    `${label}, the quickest of the methods that stop everything, needed ${ms(shortest.pauseMs)}: ${ratios} as long.`,
  ]
}

/** How the pause grows, and how it compares with other forks. */
export function pauseTakeaway(comparison: Comparison, records: number): Takeaway {
  const entries = entriesAt(comparison, records)
  const of = (id: string): number | null | undefined => entries.find(({ method }) => method.id === id)?.summary.pauseMs
  const [packed, redis, heap, floor] = [of('packed'), of('redis'), of('heap'), of('floor')]
  const sentences = growth(comparison, records)
  if (packed && redis) {
    const ratio = times(packed / redis)
    sentences.push(`With a packed heap it was ${ratio} the fork of Redis, which has as many records of as many bytes.`)
  }
  if (heap && floor)
    sentences.push(`With the heap as V8 lays it out it was ${times(heap / floor)} the fork of plain C.`)
  return sentences
}

/** From the smallest size to this one, of the fork with the shortest pause and the stop with the longest. */
function growth(comparison: Comparison, records: number): string[] {
  const [small = records] = sizesOf(comparison)
  if (small === records) return []
  const before = entriesAt(comparison, small)
  const now = sorted(entriesAt(comparison, records), pause)
  const chosen = [now.find(({ entry }) => isOurs(entry)), now.filter(({ entry }) => stops(entry)).at(-1)]
  const parts = chosen.flatMap((one) => {
    const then = before.find(({ method }) => method.id === one?.entry.method.id)?.summary.pauseMs
    return one === undefined || !then ? [] : [`that of ${one.label} from ${ms(then)} to ${ms(one.value)}`]
  })
  if (parts.length === 0) return []
  return [`As the state grows from ${size(small)} to ${size(records)} records, the pause grows: ${list(parts)}.`]
}

export function timelineTakeaway(comparison: Comparison, records: number): Takeaway {
  const entries = entriesAt(comparison, records)
  const gaps = sorted(entries, ({ summary }) => summary.delay?.maxMs)
  const [least] = gaps.filter(({ entry }) => isOurs(entry))
  const most = gaps.at(-1)
  if (least === undefined || most === undefined) return ['No delays were measured.']
  const quiet = sorted(entries, ({ summary }) => summary.quiet?.maxMs)
  const usual = quiet[Math.floor(quiet.length / 2)]
  const worst = most === least ? '' : `, and for ${ms(most.value)} with ${most.label}`
  return [
    `At worst the event loop stood still for ${ms(least.value)} with ${least.label}${worst}.`,
    ...(usual === undefined
      ? []
      : [`Without a snapshot its longest stop in a second was ${ms(usual.value)}, in the median of all.`]),
  ]
}

export function totalTakeaway(comparison: Comparison, records: number): Takeaway {
  const snapshots = entriesAt(comparison, records).filter(({ method }) => method.kind !== 'continuous')
  const rates = sorted(snapshots, ({ summary }) => summary.rowsPerSecond).reverse()
  const [most] = rates
  const least = rates.at(-1)
  if (most === undefined || least === undefined) return ['No totals were measured.']
  const slowest = least === most ? '' : `, ${least.label} ${whole(least.value)}`
  const heap = rates.filter(({ entry }) => entry.method.id === 'heap' && least.entry !== entry && most.entry !== entry)
  return [
    `${most.label} saved ${whole(most.value)} records a second${slowest}.`,
    ...heap.map(({ label, value }) => `${label} saved ${whole(value)}.`),
  ]
}

export function keptTakeaway(comparison: Comparison, records: number): Takeaway {
  const kept = sorted(entriesAt(comparison, records), ({ summary }) => summary.kept).reverse()
  const ours = kept.filter(({ entry }) => isOurs(entry))
  const others = kept.filter(({ entry }) => stops(entry))
  if (ours.length === 0) return ['forksnap was not measured.']
  const rest = others.length === 0 ? '' : `; with what stops everything ${range([...others].reverse(), percent)}`
  return [
    `While a snapshot is made, ${range([...ours].reverse(), percent)} of the throughput is left with forksnap${rest}.`,
  ]
}

export function memoryTakeaway(comparison: Comparison, records: number): Takeaway {
  const entries = entriesAt(comparison, records)
  const copied = sorted(entries, ({ summary }) => summary.copiedBytes)
  const extra = sorted(entries.filter(stops), ({ summary }) => summary.extraBytes)
  return [
    ...(copied.length === 0 ? [] : [`Forks copied ${range(copied, bytes)} on write.`]),
    ...(extra.length === 0 ? [] : [`What stops everything took a copy of the whole: ${named(extra, bytes)}.`]),
  ]
}

/** How many of the targets are met; nothing where there are none to judge. */
export function targetsTakeaway(comparison: Comparison): Takeaway {
  const targets = targetsOf(comparison)
  const met = targets.filter((target) => target.met).length
  return targets.length === 0 ? [] : [`${met} of ${targets.length} targets are met in this run.`]
}

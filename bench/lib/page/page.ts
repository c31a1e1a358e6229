/** The report: one file of HTML without scripts, with nothing to load from elsewhere. */
import { METHODS } from '../compare/methods'
import type { Method } from '../compare/method'
import { type Comparison, sizesOf } from '../compare/results'
import { hostLine, type Report } from '../report'
import { barChart, type Bar, pauseChart, type Spec, timelineChart, timelineDomain } from './charts'
import { described, type Draw } from './figure'
import { type Entry, entriesAt, focusOf, MARKS } from './focus'
import { bytes, escape, ms, percent, size, whole } from './format'
import { STYLE } from './style'
import { reportTables, sizeTable, targetTable } from './tables'
import * as takeaways from './takeaways'

const WIDE = 690
const BARS_WIDE = 470
const NARROW = 132
const BARS_NARROW = 190
const PAUSE_HEIGHT = 420
const MULTIPLE = { width: 262, height: 120 }

function mark({ kind }: Method): string {
  return MARKS[kind] === '' ? '' : `<span class="mark ${kind}">${MARKS[kind]}</span>`
}

function section(heading: string, [message = '', ...rest]: takeaways.Takeaway, body: string): string {
  const first = message === '' ? '' : `<p class="takeaway">${escape(message)}</p>`
  const details = rest.length === 0 ? '' : `<p>${escape(rest.join(' '))}</p>`
  return `<section><h2>${escape(heading)}</h2>${first}${details}${body}</section>`
}

/** Drawn twice: for a screen with width, and for one without, where letters must not shrink. */
async function chart(draw: Draw, id: string, title: string, description: string, spec: (narrow: boolean) => Spec) {
  const wide = described(await draw(spec(false)), `${id}-wide`, title, description)
  const narrow = described(await draw(spec(true)), `${id}-narrow`, title, description)
  return `<figure class="chart"><div class="wide">${wide}</div><div class="narrow">${narrow}</div></figure>`
}

async function multiples(draw: Draw, entries: readonly Entry[]): Promise<string> {
  const shown = entries.filter(({ outcome }) => outcome.timeline.length > 0)
  const domain = timelineDomain(shown.map(({ outcome }) => outcome))
  const figures: string[] = []
  for (const { method, outcome, summary } of shown) {
    const svg = await draw(timelineChart(outcome, domain, MULTIPLE.width, MULTIPLE.height))
    const longest = ms(Math.max(...outcome.timeline.map(([, gap]) => gap)))
    const description = `Time between two turns of the event loop around one snapshot by ${method.label}; the longest is ${longest}.`
    const { kept, delay } = summary
    const facts = [
      ...(delay === null ? [] : [`p99 ${ms(delay.p99Ms)}`]),
      ...(kept === null ? [] : [`${percent(kept)} kept`]),
    ].join(' · ')
    figures.push(
      `<figure><figcaption>${escape(method.label)}<span class="facts">${mark(method)}${facts}</span></figcaption>` +
        `${described(svg, `timeline-${method.id}`, `Delay with ${method.label}`, description)}</figure>`,
    )
  }
  return `<div class="multiples">${figures.join('')}</div>`
}

type Value = (entry: Entry) => { readonly value: number; readonly text: string } | null

function barsOf(entries: readonly Entry[], value: Value): Bar[] {
  return entries.flatMap((entry): Bar[] => {
    const found = value(entry)
    return found === null ? [] : [{ method: entry.method, ...found }]
  })
}

/** The one that is best first. */
function byValue(bars: readonly Bar[], direction: 1 | -1): Bar[] {
  return [...bars].sort((a, b) => direction * (a.value - b.value))
}

function barSection(draw: Draw, id: string, title: string, bars: readonly Bar[], mostAtLeast = 0): Promise<string> {
  if (bars.length === 0) return Promise.resolve('')
  const description = bars.map(({ method, text }) => `${method.label}: ${text}`).join('; ')
  return chart(draw, id, title, description, (narrow) =>
    barChart(bars, narrow ? BARS_NARROW : BARS_WIDE, narrow, mostAtLeast),
  )
}

function pauseSection(draw: Draw, comparison: Comparison, records: number): Promise<string> {
  const facts = entriesAt(comparison, records).flatMap(({ method, summary: { pauseMs } }) =>
    pauseMs === null ? [] : [`${method.label} ${ms(pauseMs)}`],
  )
  const description = `Pause by number of records for each method, both scales logarithmic. At ${whole(records)} records: ${facts.join('; ')}.`
  return chart(draw, 'pause', 'Pause against number of records', description, (narrow) =>
    pauseChart(comparison, narrow ? NARROW : WIDE, PAUSE_HEIGHT, narrow),
  )
}

function methodList(comparison: Comparison): string {
  const used = METHODS.filter(({ id }) => comparison.outcomes.some(({ method }) => method === id))
  const items = used.map((method) => `<dt>${escape(method.label)}${mark(method)}</dt><dd>${escape(method.about)}</dd>`)
  return `<dl>${items.join('')}</dl>`
}

function environment({ host, takenAt, versions, rounds }: Comparison): string {
  const others = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const parts = [
    hostLine(host),
    ...others,
    `${rounds} snapshots of each kind`,
    takenAt.slice(0, 16).replace('T', ' ') + ' UTC',
  ]
  return escape(parts.join(' · '))
}

/** No script and nothing to load: the numbers are in the link itself. */
function download(name: string, data: unknown): string {
  const encoded = Buffer.from(JSON.stringify(data)).toString('base64')
  return `<a class="button" download="${name}" href="data:application/json;base64,${encoded}">Download the numbers as JSON</a>`
}

const HOW = [
  'Every method is a process of its own with the same records: orders of eleven fields, about 220 bytes as JSON. Its event loop works as ' +
    'fast as it can all the time: a request is parsed, a record changed (four of five times one of a busy tenth), an answer made and signed.',
  'The pause is what a method itself says that it stopped everything for; the gap is what the event loop felt (with Redis: a client), whatever ' +
    'the reason. Percentiles are those of moments: who comes at a random millisecond waits so long. The total ends when the ' +
    'state is in a file that is synced, uncompressed, on the same disk for all.',
  'Memory risen is how far the peak of the process rose above what it held at the beginning, garbage of the load included. All figures are medians.',
]

/** `reports` are what other benchmarks printed with `--json`. */
export async function makePage(comparison: Comparison, reports: readonly Report[], draw: Draw): Promise<string> {
  const records = focusOf(comparison)
  const entries = entriesAt(comparison, records)
  const at = `at ${size(records)} records`
  const totals = barsOf(entries, ({ method, summary: { totalMs, rowsPerSecond } }) =>
    totalMs === null || rowsPerSecond === null || method.kind === 'continuous'
      ? null
      : { value: totalMs, text: `${ms(totalMs)} · ${whole(rowsPerSecond)} records/s` },
  )
  const kept = barsOf(entries, ({ summary }) =>
    summary.kept === null ? null : { value: summary.kept, text: percent(summary.kept) },
  )
  const memory = barsOf(entries, ({ summary: { copiedBytes, extraBytes } }) => {
    const value = copiedBytes ?? extraBytes
    return value === null ? null : { value, text: `${bytes(value)} ${copiedBytes === null ? 'risen' : 'copied'}` }
  })
  const sections = [
    section(
      'How long everything stops',
      takeaways.pauseTakeaway(comparison, records),
      await pauseSection(draw, comparison, records),
    ),
    section(
      `What the event loop feels around one snapshot, ${at}`,
      takeaways.timelineTakeaway(comparison, records),
      '<p class="quiet">Time between two turns of the loop, logarithmic and the same scale for all; each has a time axis of its own, on which the snapshot is shaded. Above: the 99th percentile of the delay meanwhile, and the throughput kept.</p>' +
        (await multiples(draw, entries)),
    ),
    section(
      `Time until the state is safe, ${at}`,
      takeaways.totalTakeaway(comparison, records),
      await barSection(draw, 'total', 'Time until the state is in a synced file', byValue(totals, 1)),
    ),
    section(
      `Throughput kept meanwhile, ${at}`,
      takeaways.keptTakeaway(comparison, records),
      await barSection(draw, 'kept', 'Operations a second during a snapshot, of those before', byValue(kept, -1), 1),
    ),
    section(
      `Memory that it takes, ${at}`,
      takeaways.memoryTakeaway(comparison, records),
      await barSection(draw, 'memory', 'Memory copied or risen during a snapshot', byValue(memory, 1)),
    ),
    section('The numbers', takeaways.targetsTakeaway(comparison), numbers(comparison)),
    section('How it was measured', [], HOW.map((text) => `<p>${escape(text)}</p>`).join('') + methodList(comparison)),
    ...(reports.length === 0 ? [] : [section('Other measurements', [], reports.map(reportTables).join(''))]),
  ]
  return document(takeaways.lead(comparison, records).join(' '), environment(comparison), sections)
}

function numbers(comparison: Comparison): string {
  const tables = [...sizesOf(comparison)].reverse().map((records) => sizeTable(comparison, records))
  return targetTable(comparison) + tables.join('') + download('forksnap-comparison.json', comparison)
}

function document(summary: string, host: string, sections: readonly string[]): string {
  const title = 'Snapshots of a living process, side by side'
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
    `<title>forksnap: ${title}</title><style>${STYLE}</style></head><body><main>` +
    `<header><h1>${title}</h1><p class="lead">${escape(summary)}</p><p class="quiet">${host}</p></header>` +
    `${sections.join('')}</main></body></html>\n`
  )
}

/** The charts' specifications, for Vega-Lite. Every text that a reader needs is in them; titles stand in the page. */
import type { Method } from '../compare/method'
import { METHODS } from '../compare/methods'
import { type Comparison, type Outcome, pauseOf, sizesOf } from '../compare/results'
import { markedLabel } from './focus'
import { ms, size } from './format'
import { spreadLabels } from './labels'
import { colourOf } from './palette'

export type Spec = Readonly<Record<string, unknown>>

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'
const TEXT = '#1f2430'
const QUIET = '#5a6270'
const GRID = '#e7eaef'
const LABEL_GAP = 17
/** Milliseconds; nothing that is measured here is shorter. */
const SHORTEST_MS = 0.1
const MS_LABEL = "datum.value < 1000 ? datum.value + ' ms' : datum.value / 1000 + ' s'"
const POWERS = [0.1, 1, 10, 100, 1_000, 10_000, 100_000]

const CONFIG = {
  background: null,
  font: FONT,
  view: { stroke: null },
  aria: false,
  axis: {
    labelColor: QUIET,
    titleColor: QUIET,
    titleFontWeight: 'normal',
    labelFontSize: 12,
    titleFontSize: 12,
    gridColor: GRID,
    domain: false,
    tickColor: GRID,
  },
  text: { fontSize: 12.5, color: TEXT },
}

interface Domain {
  readonly from: number
  readonly to: number
}

/** Whole powers of ten around the values, 0.1 at the least. */
function powersAround(values: readonly number[]): Domain {
  const least = Math.max(SHORTEST_MS, Math.min(...values))
  const from = 10 ** Math.floor(Math.log10(least))
  return { from, to: Math.max(10 * from, 10 ** Math.ceil(Math.log10(Math.max(...values)))) }
}

function msAxis({ from, to }: Domain) {
  const values = POWERS.filter((power) => power >= from && power <= to)
  return { scale: { type: 'log', domain: [from, to] }, axis: { values, labelExpr: MS_LABEL, title: null } }
}

interface Pause {
  readonly method: Method
  readonly records: number
  readonly pauseMs: number
}

function pausesOf(comparison: Comparison): Pause[] {
  return METHODS.flatMap((method) =>
    sizesOf(comparison).flatMap((records): Pause[] => {
      const pauseMs = pauseOf(comparison, method.id, records)
      return pauseMs === null ? [] : [{ method, records, pauseMs }]
    }),
  )
}

/** Names at the right, moved apart where lines end near each other. A line that ends before the others says where. */
function endLabels(pauses: readonly Pause[], domain: Domain, last: number, height: number, narrow: boolean) {
  const ends = METHODS.flatMap((method) => pauses.filter((pause) => pause.method === method).slice(-1))
  const decades = Math.log10(domain.to / domain.from)
  const at = ends.map(({ pauseMs }) => height * (1 - Math.log10(pauseMs / domain.from) / decades))
  const placed = spreadLabels(at, LABEL_GAP, height)
  return ends.map(({ method, records, pauseMs }, index) => ({
    name: method.id,
    text: `${method.label}${narrow ? '' : `  ${ms(pauseMs)}`}${records === last ? '' : ` (at ${size(records)})`}`,
    records: last,
    y: domain.from * 10 ** ((1 - (placed[index] ?? 0) / height) * decades),
  }))
}

const COLOUR = {
  field: 'name',
  type: 'nominal',
  scale: { domain: METHODS.map(({ id }) => id), range: METHODS.map(({ id }) => colourOf(id)) },
  legend: null,
}

/** Pause by number of records, both logarithmic, a line for each method. */
export function pauseChart(comparison: Comparison, width: number, height: number, narrow: boolean): Spec {
  const pauses = pausesOf(comparison)
  const domain = powersAround(pauses.map(({ pauseMs }) => pauseMs))
  const sizes = sizesOf(comparison).filter((one) => pauses.some(({ records }) => records === one))
  const last = sizes.at(-1) ?? 1
  const values = pauses.map(({ method, records, pauseMs }) => ({
    name: method.id,
    records,
    pauseMs,
    dashed: method.kind === 'floor' || method.kind === 'inconsistent',
  }))
  const x = {
    field: 'records',
    type: 'quantitative',
    scale: { type: 'log', domain: [sizes[0], last], nice: false },
    axis: {
      values: sizes,
      labelExpr: sizes.reduceRight((rest, one) => `datum.value == ${one} ? '${size(one)}' : ${rest}`, "''"),
      title: 'records',
      grid: false,
    },
  }
  const y = { type: 'quantitative', ...msAxis(domain) }
  return {
    width,
    height,
    config: CONFIG,
    layer: [
      {
        data: { values },
        mark: { type: 'line', strokeWidth: 2.5, point: { size: 55, filled: true } },
        encoding: {
          x,
          y: { ...y, field: 'pauseMs' },
          color: COLOUR,
          strokeDash: {
            field: 'dashed',
            type: 'nominal',
            legend: null,
            scale: {
              domain: [false, true],
              range: [
                [1, 0],
                [5, 4],
              ],
            },
          },
        },
      },
      {
        data: { values: endLabels(pauses, domain, last, height, narrow) },
        mark: {
          type: 'text',
          align: 'left',
          dx: 11,
          baseline: 'middle',
          fontWeight: 600,
          fontSize: narrow ? 11 : 12.5,
        },
        encoding: { x, y: { ...y, field: 'y' }, text: { field: 'text' }, color: COLOUR },
      },
    ],
  }
}

/** The longest gap of any timeline, which all of them share as the end of their scale. */
export function timelineDomain(outcomes: readonly Outcome[]): Domain {
  const longest = outcomes.flatMap(({ timeline }) => timeline.map(([, gapMs]) => gapMs))
  return { from: SHORTEST_MS, to: powersAround([...longest, 1]).to }
}

/** About four times from 0 on, at a distance of 1, 2 or 5 times a power of ten. */
export function timeTicks(lastMs: number): number[] {
  const power = 10 ** Math.floor(Math.log10(Math.max(lastMs, 1) / 3))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => lastMs / one < 4.5) ?? 10 * power
  return Array.from({ length: Math.floor(lastMs / step) + 1 }, (_, tick) => tick * step)
}

/** The gaps around one snapshot; what is shaded is the snapshot, from its beginning to its end. */
export function timelineChart(outcome: Outcome, domain: Domain, width: number, height: number): Spec {
  const values = outcome.timeline.map(([atMs, gapMs]) => ({ atMs, gapMs: Math.max(gapMs, domain.from) }))
  const [first, last] = [values[0]?.atMs ?? 0, values.at(-1)?.atMs ?? 0]
  const longest = values.reduce((a, b) => (b.gapMs > a.gapMs ? b : a), { atMs: 0, gapMs: domain.from })
  const colour = colourOf(outcome.method)
  const x = {
    field: 'atMs',
    type: 'quantitative',
    scale: { domain: [first, last], nice: false },
    axis: {
      labelExpr: "datum.value == 0 ? '0' : abs(datum.value) < 1000 ? datum.value + ' ms' : datum.value / 1000 + ' s'",
      values: timeTicks(last),
      title: null,
      grid: false,
    },
  }
  const y = { type: 'quantitative', ...msAxis(domain) }
  const nearRight = longest.atMs - first > (last - first) * 0.5
  return {
    width,
    height,
    config: CONFIG,
    layer: [
      {
        data: { values: [{ from: 0, to: Math.max(last + first, 0) }] },
        mark: { type: 'rect', color: '#eef1f6' },
        encoding: { x: { ...x, field: 'from' }, x2: { field: 'to' } },
      },
      {
        data: { values },
        mark: {
          type: 'area',
          interpolate: 'step-after',
          color: colour,
          fillOpacity: 0.25,
          line: { color: colour, strokeWidth: 1.5 },
        },
        encoding: { x, y: { ...y, field: 'gapMs' }, y2: { datum: domain.from } },
      },
      {
        data: { values: [longest] },
        mark: {
          type: 'text',
          align: nearRight ? 'right' : 'left',
          dx: nearRight ? -6 : 6,
          dy: -7,
          fontWeight: 600,
          color: colour,
        },
        encoding: { x, y: { ...y, field: 'gapMs' }, text: { value: ms(longest.gapMs) } },
      },
    ],
  }
}

export interface Bar {
  readonly method: Method
  readonly value: number
  /** Stands beside the bar. */
  readonly text: string
}

const BAR_STEP = 30
const NARROW_STEP = 46

/** Bars from left to right, the names at their left, or above them where there is not much width. */
export function barChart(bars: readonly Bar[], width: number, narrow: boolean, mostAtLeast = 0): Spec {
  const values = bars.map(({ method, value, text }) => ({ name: method.id, label: markedLabel(method), value, text }))
  const most = Math.max(mostAtLeast, ...values.map(({ value }) => value))
  const labels = values.map(({ label }) => label)
  const y = {
    field: 'label',
    type: 'nominal',
    sort: labels,
    scale: { domain: labels, paddingInner: narrow ? 0.62 : 0.4, paddingOuter: narrow ? 0.5 : 0.2 },
    axis: narrow
      ? null
      : {
          title: null,
          labelLimit: 0,
          minExtent: 250,
          labelFontSize: 13,
          labelColor: TEXT,
          labelPadding: 8,
          ticks: false,
        },
  }
  const x = { field: 'value', type: 'quantitative', scale: { domain: [0, most || 1], nice: false }, axis: null }
  const name = {
    mark: { type: 'text', align: 'left', baseline: 'middle', dy: -17, color: TEXT },
    encoding: { x: { ...x, field: undefined, datum: 0 }, y, text: { field: 'label' } },
  }
  return {
    width,
    height: { step: narrow ? NARROW_STEP : BAR_STEP },
    config: CONFIG,
    data: { values },
    layer: [
      { mark: { type: 'bar', cornerRadiusEnd: 3 }, encoding: { x, y, color: COLOUR } },
      {
        mark: { type: 'text', align: 'left', baseline: 'middle', dx: 7, color: TEXT },
        encoding: { x, y, text: { field: 'text' } },
      },
      ...(narrow ? [name] : []),
    ],
  }
}

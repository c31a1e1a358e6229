import type { Sample } from '../../bench/lib/compare/method'
import { METHODS } from '../../bench/lib/compare/methods'
import { type Comparison, merged, missing, outcomeOf } from '../../bench/lib/compare/results'
import { type Spec, timeTicks } from '../../bench/lib/page/charts'
import { described } from '../../bench/lib/page/figure'
import { focusOf } from '../../bench/lib/page/focus'
import { spreadLabels } from '../../bench/lib/page/labels'
import { makePage } from '../../bench/lib/page/page'
import * as takeaways from '../../bench/lib/page/takeaways'

const PAUSES: Readonly<Record<string, number>> = {
  heap: 12,
  packed: 3,
  arena: 2,
  stringify: 1_200,
  serialize: 900,
  redis: 10,
}

function sample(id: string, records: number, pauses = PAUSES): Sample {
  const pauseMs = ((pauses[id] ?? 5) * records) / 1e6
  const delay = { p50Ms: 0.2, p99Ms: 2, p999Ms: pauseMs, maxMs: pauseMs + 1 }
  return {
    pauseMs: id === 'sqlite' ? null : pauseMs,
    totalMs: 1_000 + pauseMs,
    bytes: records * 220,
    copiedBytes: id === 'heap' ? 5e6 : null,
    extraBytes: id === 'stringify' ? 4e8 : null,
    rateBefore: 100_000,
    rateDuring: id === 'heap' ? 80_000 : 20_000,
    delayBefore: { ...delay, maxMs: 4 },
    delayDuring: delay,
    timeline: [
      [-1, 0.2],
      [0, pauseMs],
      [1, 0.2],
    ],
  }
}

function comparison(pauses = PAUSES): Comparison {
  const outcomes = [1e5, 1e6].flatMap((records) =>
    METHODS.map(({ id }) => outcomeOf(id, records, [sample(id, records, pauses)])),
  )
  const host = {
    node: '20.20.2',
    cores: 2,
    cpu: 'a <fast> one',
    system: 'linux 6.18',
    packedHeap: false,
    loadAverage: 0.5,
  }
  outcomes.push(missing('redis', 1e7, 'it needs 6 GB & more'))
  return {
    bench: 'compare',
    takenAt: '2026-01-02T03:04:05.678Z',
    rounds: 1,
    host,
    versions: { Redis: '7.0' },
    outcomes,
  }
}

/** Vega is installed for the report only; what it is asked to draw is the text of the drawing here. */
const draw = (spec: Spec): Promise<string> =>
  Promise.resolve(
    `<svg class="marks" xmlns="http://www.w3.org/2000/svg" version="1.1" width="9"><text>${JSON.stringify(spec).replaceAll('<', '&lt;')}</text></svg>`,
  )

const OTHER = {
  bench: 'pause',
  subject: '1 order',
  figures: [{ name: 'first pause', unit: 'ms', values: [1, 3, 2] }],
  targets: [{ name: 'ratio', measured: 2, limit: 1, kind: 'at-most' as const }],
}

describe('the report', () => {
  it('is one file with every method, the machine and the numbers, and has nothing to load', async () => {
    const page = await makePage(comparison(), [OTHER], draw)
    for (const { label } of METHODS) expect(page).toContain(label)
    expect(page).toContain('Node 20.20.2, 2 cores (a &lt;fast&gt; one), linux 6.18, load average 0.5')
    expect(page).toContain('left out: it needs 6 GB &amp; more')
    expect(page).toContain('<caption>pause: 1 order</caption>')
    expect(page).not.toMatch(/https?:|<script|<link|<img|@import|url\(/)
    const sources = [...page.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, source = '']) => source)
    const [data = ''] = sources
    expect(sources).toHaveLength(1)
    expect(data).toMatch(/^data:application\/json;base64,/)
    expect(JSON.parse(Buffer.from(data.split(',')[1] ?? '', 'base64').toString())).toEqual(comparison())
  })

  it('says of each drawing and each table what it is, under names of its own', async () => {
    const page = await makePage(comparison(), [], draw)
    const count = (pattern: RegExp): number => [...page.matchAll(pattern)].length
    expect(count(/<svg /g)).toBeGreaterThan(METHODS.length)
    expect(count(/<svg[^>]*role="img" aria-labelledby="[^"]+"><title [^>]*>[^<]+<\/title><desc [^>]*>[^<]+</g)).toBe(
      count(/<svg /g),
    )
    expect(count(/<table>/g)).toBe(count(/<table><caption>[^<]+</g))
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('marks what stops everything and what is inconsistent', async () => {
    const page = await makePage(comparison(), [], draw)
    expect(page).toContain('JSON.stringify<span class="facts"><span class="mark stops">stops everything</span>')
    expect(page).toContain('setImmediate slices<span class="facts"><span class="mark inconsistent">inconsistent</span>')
  })

  it('looks closely at the largest size that nearly all methods have', () => {
    expect(focusOf(comparison())).toBe(1e6)
  })
})

describe('what the report says', () => {
  const plain = (sentences: readonly string[]): string => sentences.join(' ').replaceAll('\u00a0', ' ')

  it('is made of the figures', () => {
    expect(plain(takeaways.lead(comparison(), 1e6))).toBe(
      'A snapshot of 1,000,000 records stopped its process for 2 ms to 12 ms with forksnap. postMessage to a Worker, the quickest of the methods that stop everything, needed 5 ms: 0.42 × to 2.5 × as long.',
    )
    const others = comparison({ ...PAUSES, 'post-message': 2_000, redis: 30 })
    expect(plain(takeaways.lead(others, 1e6))).toContain(
      'v8.serialize, the quickest of the methods that stop everything',
    )
    expect(plain(takeaways.lead(others, 1e6))).toContain('needed 900 ms: 75 × to 450 × as long')
    expect(plain(takeaways.pauseTakeaway(others, 1e6))).toBe(
      'As the state grows from 100 k to 1 M records, the pause grows: that of forksnap (arena) from 0.2 ms to 2 ms and that of postMessage to a Worker from 200 ms to 2 s. ' +
        'With a packed heap it was 0.10 × the fork of Redis, which has as many records of as many bytes. With the heap as V8 lays it out it was 2.4 × the fork of plain C.',
    )
    expect(plain(takeaways.keptTakeaway(others, 1e6))).toContain('20 % to 80 % of the throughput is left with forksnap')
    expect(plain(takeaways.timelineTakeaway(others, 1e6))).toContain('for 3 ms with forksnap (arena), and for 2 s with')
    expect(plain(takeaways.memoryTakeaway(others, 1e6))).toContain('JSON.stringify 400 MB')
    expect(plain(takeaways.targetsTakeaway(others))).toBe('3 of 4 targets are met in this run.')
  })

  it('leaves out what was not measured', () => {
    const only = { ...comparison(), outcomes: comparison().outcomes.filter(({ method }) => method === 'heap') }
    expect(plain(takeaways.lead(only, 1e6))).toBe(
      'A snapshot of 1,000,000 records stopped its process for 12 ms with forksnap.',
    )
    expect(takeaways.pauseTakeaway(only, 1e6)).toHaveLength(1)
    const none = { ...only, outcomes: [] }
    expect(plain(takeaways.lead(none, 1e6))).toBe('forksnap was not measured.')
    expect(takeaways.targetsTakeaway(none)).toEqual([])
  })
})

describe('parts of the report', () => {
  it('moves labels apart, no further than they must be, and keeps them within the chart', () => {
    expect(spreadLabels([50, 10, 90], 10, 100)).toEqual([50, 10, 90])
    expect(spreadLabels([50, 50, 50], 10, 100)).toEqual([40, 50, 60])
    expect(spreadLabels([0, 1, 2], 10, 100)).toEqual([0, 10, 20])
    expect(spreadLabels([100, 98, 40], 10, 100)).toEqual([100, 90, 40])
    expect(spreadLabels([20, 26, 32], 10, 100)).toEqual([16, 26, 36])
  })

  it('has few round times on an axis, 0 among them', () => {
    expect(timeTicks(780)).toEqual([0, 200, 400, 600])
    expect(timeTicks(2_300)).toEqual([0, 1_000, 2_000])
    expect(timeTicks(40)).toEqual([0, 10, 20, 30, 40])
    expect(timeTicks(0)).toEqual([0])
  })

  it('refuses to describe what is no drawing', () => {
    expect(() => described('<div>', 'id', 'a', 'b')).toThrow('no SVG')
    expect(described('<svg width="1"><g/></svg>', 'x', 'A & B', 'c')).toBe(
      '<svg width="1" role="img" aria-labelledby="x-title x-desc"><title id="x-title">A &amp; B</title><desc id="x-desc">c</desc><g/></svg>',
    )
  })

  it('joins runs of different sizes', () => {
    const [small, large] = [1e5, 1e6].map((size) => ({
      ...comparison(),
      outcomes: comparison().outcomes.filter(({ records }) => records === size),
    }))
    if (small === undefined || large === undefined) throw new Error('two runs are needed')
    expect(merged([small, large]).outcomes).toHaveLength(2 * METHODS.length)
    expect(() => merged([])).toThrow(RangeError)
  })
})

import { encodeCommand, parseInfo, RedisError, ReplyParser } from '../../bench/lib/compare/resp'
import { NOTHING, type Sample } from '../../bench/lib/compare/method'
import { methodOf } from '../../bench/lib/compare/methods'
import { compareOptions, parseSizes } from '../../bench/lib/compare/options'
import { type Comparison, outcomeOf, summaryOf, targetsOf } from '../../bench/lib/compare/results'
import { reasonAgainst } from '../../bench/lib/compare/run'
import { delayIn, rateIn, timelineOf } from '../../bench/lib/compare/turns'
import { host } from '../../bench/lib/report'

const delay = (maxMs: number) => ({ p50Ms: 1, p99Ms: 2, p999Ms: 3, maxMs })

describe('options of the comparison', () => {
  it('reads sizes with their units, sorts them and leaves out what stands there twice', () => {
    expect(parseSizes('1M, 10k,100K,250,10000')).toEqual([250, 10_000, 100_000, 1_000_000])
    expect(compareOptions({}).sizes).toEqual([1e4, 1e5, 1e6])
    expect(compareOptions({ full: true }).sizes).toContain(1e7)
  })

  it.each(['', '0', '-5', '1.5M', '10g', '10k,,5'])('refuses the size %j', (text) => {
    expect(() => parseSizes(text)).toThrow(RangeError)
  })

  it('refuses rounds that are no number and methods that do not exist', () => {
    expect(() => compareOptions({ rounds: '0' })).toThrow('--rounds')
    expect(() => compareOptions({ methods: 'heap,magic' })).toThrow('no method magic')
  })
})

describe('turns of an event loop', () => {
  // A turn each millisecond, and one that takes from 10 to 20; ten operations each.
  const times = [...Array.from({ length: 11 }, (_, ms) => ms), ...Array.from({ length: 11 }, (_, ms) => 20 + ms)]
  const turns = { turns: times, counts: times.map((_, turn) => turn * 10) }

  it('gives the longest gap, and percentiles of what somebody waits who comes at any moment', () => {
    const { p50Ms, p99Ms, maxMs } = delayIn(turns, 0, 30)
    expect({ p50Ms, p99Ms, maxMs }).toEqual({ p50Ms: 1, p99Ms: 10, maxMs: 10 })
    // Who comes at 15 waits for 5 ms; the gap that began before the span counts in full.
    expect(delayIn(turns, 15, 16)).toEqual({ p50Ms: 5, p99Ms: 5, p999Ms: 5, maxMs: 10 })
  })

  it('counts the operations of a span, and of a turn that is only partly in it the part', () => {
    expect(rateIn(turns, 0, 10)).toBeCloseTo(10_000)
    expect(rateIn(turns, 10, 20)).toBeCloseTo(1_000)
    expect(rateIn(turns, 5, 15)).toBeCloseTo(5_500)
    expect(rateIn(turns, 25, 35)).toBeCloseTo(5_000)
  })

  it('keeps the longest gap of each part of a timeline, and the parts that a gap covers', () => {
    const timeline = timelineOf(turns, 10, 0, 30, 6)
    expect(timeline.map(([at]) => at)).toEqual([-10, -5, 0, 5, 10, 15])
    expect(timeline.map(([, gap]) => gap)).toEqual([1, 1, 10, 10, 10, 1])
  })
})

describe('results of a method', () => {
  it('are medians of what there is, and null where there is nothing', () => {
    const samples = [4, 2, 9].map((pauseMs): Sample => ({
      ...NOTHING,
      pauseMs,
      totalMs: pauseMs * 100,
      rateBefore: 10,
      rateDuring: pauseMs,
    }))
    expect(summaryOf(outcomeOf('heap', 1_000, samples))).toMatchObject({
      pauseMs: 4,
      totalMs: 400,
      rowsPerSecond: 2_500,
      kept: 0.4,
      copiedBytes: null,
      delay: null,
    })
  })

  it('have the timeline of the snapshot in the middle', () => {
    const samples = [30, 10, 20].map((max): Sample => ({ ...NOTHING, delayDuring: delay(max), timeline: [[0, max]] }))
    expect(outcomeOf('heap', 1, samples).timeline).toEqual([[0, 20]])
  })

  it('are judged by the shortest stop, and by Redis, at a million records', () => {
    const pauses = { packed: 2, heap: 12.5, stringify: 1_250, serialize: 1_000, redis: 8, sliced: 1 }
    const outcomes = Object.entries(pauses).map(([id, pauseMs]) => outcomeOf(id, 1e6, [{ ...NOTHING, pauseMs }]))
    const comparison: Comparison = { bench: 'compare', takenAt: '', rounds: 1, host: host(), versions: {}, outcomes }
    expect(targetsOf(comparison).map(({ measured, met }) => [measured, met])).toEqual([
      [80, true],
      [500, true],
      [0.25, false],
    ])
    expect(targetsOf({ ...comparison, outcomes: outcomes.slice(0, 2) })).toEqual([])
  })
})

describe('memory of a method', () => {
  it('keeps what does not fit from being tried, and says why', () => {
    const heap = methodOf('heap')
    expect(reasonAgainst(heap, 1e6, 8e9)).toBeUndefined()
    expect(reasonAgainst(heap, 1e7, 4e9)).toMatch(/needs about [\d.]+ GB of memory, and 4 GB are free/)
    expect(reasonAgainst(methodOf('stringify'), 1e7, 1e12)).toContain('longest string')
  })
})

describe("Redis's protocol", () => {
  it('encodes commands with lengths in bytes', () => {
    expect(encodeCommand(['SET', 'é'])).toBe('*2\r\n$3\r\nSET\r\n$2\r\né\r\n')
  })

  it('finds the same replies however the bytes are cut', () => {
    const stream = Buffer.from('+OK\r\n:12\r\n$5\r\na\r\nbc\r\n$-1\r\n-ERR no\r\n$0\r\n\r\n')
    const expected = ['OK', 12, 'a\r\nbc', null, new RedisError('ERR no'), '']
    for (let cut = 0; cut <= stream.length; cut++) {
      const parser = new ReplyParser()
      const replies = [stream.subarray(0, cut), stream.subarray(cut)].flatMap((data) => parser.push(data))
      expect(replies).toEqual(expected)
    }
  })

  it('refuses a reply that no command in use gives', () => {
    expect(() => new ReplyParser().push(Buffer.from('*1\r\n:1\r\n'))).toThrow('not expected')
  })

  it('reads the fields of INFO', () => {
    const fields = parseInfo('# Stats\r\nlatest_fork_usec:8123\r\n\r\n# Server\r\nconfig_file:/a:b\r\nrdb_saves:\r\n')
    expect(Object.fromEntries(fields)).toEqual({ latest_fork_usec: '8123', config_file: '/a:b', rdb_saves: '' })
  })
})

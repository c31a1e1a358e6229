import { setTimeout } from 'node:timers/promises'
import { Account } from '../load/account'
import { compareSums } from '../load/audit'
import { checkBalances, checkDepth, checkPut } from '../load/checks'
import { LoadFlow } from '../load/flow'
import { Ids } from '../load/ids'
import { latencies, longestGap, splitLatencies, throughput } from '../load/latency'
import { checkOptions } from '../load/options'
import { pace } from '../load/pace'
import { SampleRecorder, type Samples } from '../load/samples'

/** Samples from [intended, done] pairs, in milliseconds. */
function samplesOf(pairs: readonly (readonly [number, number])[]): Samples {
  const column = (read: (pair: readonly [number, number]) => number) => Float64Array.from(pairs, read)
  return {
    count: pairs.length,
    intended: column(([at]) => at),
    sent: column(([at]) => at),
    done: column(([, at]) => at),
  }
}

describe('latencies', () => {
  it('have the percentiles of all samples', () => {
    const all = latencies(samplesOf(Array.from({ length: 1000 }, (_, i) => [1000 * i, 1000 * i + i + 1])))
    expect(all.count).toBe(1000)
    for (const [found, exact] of [
      [all.p50, 500],
      [all.p99, 990],
      [all.p999, 999],
      [all.max, 1000],
    ] as const) {
      // prettier-ignore
      expect(Math.abs(found - exact) / exact).toBeLessThan(0.002)
    }
    expect(latencies(samplesOf([])).p50).toBeNaN()
  })

  it('are split by whether any of their time was within a span', () => {
    const samples = samplesOf([
      [0, 10], // ends with the span's beginning
      [0, 9], // ends before
      [15, 16], // within
      [5, 40], // round it
      [20, 21], // begins with its end
      [21, 22], // begins after
    ])
    const { during, outside } = splitLatencies(samples, [{ from: 10, to: 20 }])
    expect([during.count, outside.count]).toEqual([4, 2])
    expect(outside.max).toBeCloseTo(9, 1)
  })

  it('know the longest time without an answer, at the edges of a span too', () => {
    const samples = samplesOf([[0, 130], [0, 110], [0, 115]]) // prettier-ignore
    expect(longestGap(samples, { from: 100, to: 132 })).toBe(15)
    expect(longestGap(samples, { from: 80, to: 132 })).toBe(30)
    expect(longestGap(samples, { from: 100, to: 190 })).toBe(60)
    expect(throughput(samples, { from: 100, to: 200 })).toBe(30)
  })

  it('are recorded without a bound', () => {
    const recorder = new SampleRecorder()
    for (let i = 0; i < 50_000; i++) recorder.add(i, i + 1, i + 2)
    const { samples } = recorder
    expect(samples.count).toBe(50_000)
    expect(samples.done[49_999] - performance.timeOrigin).toBeCloseTo(50_001, 2)
    expect(samples.intended).toHaveLength(50_000)
  })
})

describe('pace', () => {
  it('counts from when a request was due, so that a server that stands still cannot hide it', async () => {
    const intended: number[] = []
    const answered: number[] = []
    let waiting: (() => void)[] = []
    const stands = setTimeout(300).then(() => {
      waiting.forEach((answer) => answer())
      waiting = []
    })
    let standing = true
    void stands.then(() => (standing = false))
    const report = await pace({
      ...{ rate: 500, seconds: 0.5, inFlight: 20 },
      send: (intendedMs, done) => {
        const answer = (): void => {
          intended.push(intendedMs)
          answered.push(performance.now())
          done()
        }
        if (standing) waiting.push(answer)
        else answer()
      },
    })
    expect([report.planned, report.sent]).toEqual([250, 250])
    // All but the 20 that were allowed waited for the 300 ms, at 2 ms each.
    expect(report.heldBack).toBeGreaterThan(100)
    expect(intended.map((at) => Math.round((at - Math.min(...intended)) / 2))).toEqual([...Array(250).keys()])
    const late = answered.filter((at, i) => at - intended[i] > 50)
    expect(late.length).toBeGreaterThan(100)
  })

  it('tells what was due and never sent', async () => {
    const stop = new AbortController()
    const answers: (() => void)[] = []
    const running = pace({
      ...{ rate: 1000, seconds: 30, inFlight: 5, signal: stop.signal },
      send: (_, done) => void answers.push(done),
    })
    while (answers.length < 5) await setTimeout(1)
    await setTimeout(20)
    stop.abort()
    answers.forEach((done) => done())
    const report = await running
    expect(report.sent).toBe(5)
    expect(report.planned).toBeGreaterThan(10)
  })

  it('keeps as many in flight as allowed where no rate is given', async () => {
    let inFlight = 0
    let most = 0
    const report = await pace({
      ...{ rate: Infinity, seconds: 0.2, inFlight: 7 },
      send: (_, done) => {
        most = Math.max(most, ++inFlight)
        void setTimeout(2).then(() => (inFlight--, done()))
      },
    })
    expect(most).toBe(7)
    // More than there was room for at once.
    expect(report.sent).toBeGreaterThan(most)
  })
})

describe('checks', () => {
  const asked = {
    user_id: 1,
    market: 'ETH_USDT',
    order_side: 'ASK',
    order_type: 'LIMIT',
    amount: '1.5',
    price: '10',
  } as const
  const right = {
    ...{
      ...asked,
      id: '7',
      post_only: false,
      amount: '1.5000',
      price: '10.00',
      remain: '1.0000',
      finished_base: '0.5000',
    },
    ...{ finished_quote: '5.000000', create_time: 1, update_time: 2 },
  }

  it('accept a right order and name what is wrong with another', () => {
    expect(checkPut(right, asked)).toBeUndefined()
    const wrong = [
      [{ user_id: 2 }, 'user_id'],
      [{ market: 'UNI_USDT' }, 'market'],
      [{ order_side: 'BID' }, 'order_side'],
      [{ post_only: true }, 'post_only'],
      [{ amount: '1.6' }, 'another amount'],
      [{ price: '10.01' }, 'price is another'],
      [{ remain: '1.1' }, 'left'],
      [{ remain: '-0.5', finished_base: '2' }, 'left'],
      [{ finished_quote: 'NaN' }, 'quote'],
      [{ update_time: 0.5 }, 'created'],
    ] as const
    for (const [change, text] of wrong) expect(checkPut({ ...right, ...change }, asked)).toMatch(text)
  })

  it('find negative and missing balances', () => {
    const balance = { asset_id: 'ETH', available: '1.0', frozen: '0' }
    expect(checkBalances({ balances: [balance] }, ['ETH'])).toBeUndefined()
    expect(checkBalances({ balances: [{ ...balance, available: '-0.000001' }] }, ['ETH'])).toMatch('negative')
    expect(checkBalances({ balances: [{ ...balance, frozen: '-1' }] }, ['ETH'])).toMatch('negative')
    expect(checkBalances({ balances: [] }, ['ETH'])).toMatch('asked for ETH')
  })

  it('find crossed, empty and too long books', () => {
    const level = (price: string, amount = '1.0000') => ({ price, amount })
    const bids = [level('9.00'), level('8.00')]
    expect(checkDepth({ asks: [level('10.00'), level('11.00')], bids }, 2)).toBeUndefined()
    expect(checkDepth({ asks: [level('9.00')], bids }, 2)).toMatch('crossed')
    expect(checkDepth({ asks: [level('11.00'), level('10.00')], bids }, 2)).toMatch('out of order')
    expect(checkDepth({ asks: [level('10.00', '0.0000')], bids }, 2)).toMatch('empty')
    expect(checkDepth({ asks: [], bids }, 1)).toMatch('more than 1')
  })

  it('find ids that are given twice or do not increase', () => {
    const ids = new Ids()
    expect(ids.take(10, 0)).toBeUndefined()
    // Two that were on their way together may come in any order.
    expect(ids.take(9, 0)).toBeUndefined()
    expect(ids.take(9, 0)).toMatch('twice')
    expect(ids.take(10, ids.newest)).toMatch('after order 10')
    expect(ids.take(NaN, 0)).toMatch('NaN')
    expect(ids.take(100_000, ids.newest)).toBeUndefined()
    expect(ids.newest).toBe(100_000)
  })

  it('find money that came or went', () => {
    const before = new Map([['USDT', 5_000_000n], ['ETH', 1n]]) // prettier-ignore
    expect(compareSums(before, new Map([['USDT', 7_000_000n], ['ETH', 1n]]), 2)).toEqual([]) // prettier-ignore
    expect(compareSums(before, new Map([['USDT', 7_000_001n]]), 2)).toHaveLength(2)
  })
})

describe('flow', () => {
  const requests = (seed: number) => {
    const accounts = [1, 2, 3].map((id) => new Account(id, id))
    const flow = new LoadFlow(accounts, 'trade', seed, 1)
    return Array.from({ length: 200 }, () => {
      const { rpc, request } = flow.next()
      return { rpc, request }
    })
  }

  it('is the same for the same seed, and another for another', () => {
    expect(requests(7)).toEqual(requests(7))
    expect(requests(7)).not.toEqual(requests(8))
  })
})

describe('options', () => {
  it('refuse what is out of range, and hosts that are not this machine', () => {
    expect(checkOptions({ orders: 100_001 }).users).toBe(201)
    expect(checkOptions({ rate: Infinity }).rate).toBe(Infinity)
    expect(checkOptions({ host: '192.0.2.1', remote: true }).host).toBe('192.0.2.1')
    for (const host of ['192.0.2.1', 'exchange.example', '127.0.0.1.exchange.example', '0.0.0.0']) {
      expect(() => checkOptions({ host })).toThrow('--remote')
    }
    for (const wrong of [
      { rate: 0 },
      { rate: NaN },
      { seconds: 0 },
      { seconds: NaN },
      { connections: 1.5 },
      { inFlight: 0 },
    ]) {
      expect(() => checkOptions(wrong)).toThrow(RangeError)
    }
  })
})

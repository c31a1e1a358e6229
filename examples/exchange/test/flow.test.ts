import { digest } from '../digest'
import { Engine } from '../engine'
import { Flow } from '../flow'
import type { FlowPattern, FlowState } from '../flow'
import type { Operation } from '../operations'
import { Random } from '../random'
import { checkState } from '../restore'
import { TIME } from './helpers'

function filled(count: number, seed = 1, pattern?: FlowPattern) {
  const engine = new Engine()
  const flow = new Flow(engine, { seed, ...(pattern && { pattern }) })
  flow.fillBooks(count, TIME)
  return { engine, flow }
}

describe('fillBooks', () => {
  it('puts exactly as many resting orders as asked, on both sides of all markets, without a trade', () => {
    const { engine } = filled(10_001)
    expect(engine.openOrders.size).toBe(10_001)
    expect(engine.tradeId).toBe(0)
    for (const { asks, bids } of engine.markets.values()) {
      expect(asks.count).toBeGreaterThan(1_000)
      expect(bids.count).toBeGreaterThan(1_000)
    }
    for (const user of engine.users) expect(user.orders.length).toBeLessThanOrEqual(500)
    checkState(engine)
  })
})

describe('next', () => {
  it.each(['even', 'lively'] as const)(
    'does everything, is never refused, and keeps the books at their size: %s',
    (pattern) => {
      const { engine, flow } = filled(3_000, 1, pattern)
      const methods = new Map<string, number>()
      for (let i = 0; i < 30_000; i++) {
        const { method } = flow.next(TIME + i)
        methods.set(method, (methods.get(method) ?? 0) + 1)
      }
      for (const method of ['order_put', 'order_cancel', 'balance_update', 'transfer']) {
        expect([method, methods.get(method) ?? 0]).toEqual([method, expect.any(Number)])
        expect(methods.get(method)).toBeGreaterThan(50)
      }
      expect(engine.tradeId).toBeGreaterThan(5_000)
      expect(Math.abs(engine.openOrders.size - 3_000)).toBeLessThan(100)
      checkState(engine)
    },
  )

  it('gives the same operations for the same seed, others for another', () => {
    const states = [1, 1, 2].map((seed) => {
      const { engine, flow } = filled(500, seed)
      for (let i = 0; i < 2_000; i++) flow.next(TIME + i)
      return digest(engine)
    })
    expect(states[0]).toBe(states[1])
    expect(states[0]).not.toBe(states[2])
  })

  it('is lively where it is asked to: few users act most, and young orders are cancelled most', () => {
    const shares = (['even', 'lively'] as const).map((pattern) => {
      const { engine, flow } = filled(20_000, 1, pattern)
      const [acts, young] = [new Map<number, number>(), [] as boolean[]]
      for (let i = 0; i < 20_000; i++) {
        const { method, params } = flow.propose(TIME)
        if (method === 'order_cancel') young.push(Number(params.order_id) > engine.orderId - 1_000)
        if ('user_id' in params) acts.set(params.user_id, (acts.get(params.user_id) ?? 0) + 1)
        engine.apply({ id: BigInt(i), time: TIME, method, params } as Operation)
      }
      const most = [...acts.values()].sort((a, b) => b - a)
      const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)
      return { few: sum(most.slice(0, 4)) / sum(most), young: young.filter(Boolean).length / young.length }
    })
    const [even, lively] = shares
    // Of 40 users, 4 are a tenth; of 20,000 orders, the youngest thousand a twentieth.
    expect(even.few).toBeLessThan(0.15)
    expect(even.young).toBeLessThan(0.1)
    expect(lively.few).toBeGreaterThan(0.35)
    expect(lively.young).toBeGreaterThan(0.4)
  })

  it.each(['even', 'lively'] as const)('goes on from its state, which JSON can hold: %s', (pattern) => {
    const { flow } = filled(500, 1, pattern)
    const other = filled(500, 1, pattern)
    for (let i = 0; i < 100; i++) {
      flow.next(TIME)
      other.flow.next(TIME)
    }
    const resumed = new Flow(other.engine, JSON.parse(JSON.stringify(other.flow.state)) as FlowState)
    for (let i = 0; i < 500; i++) expect(resumed.next(TIME)).toEqual(flow.next(TIME))
    expect(resumed.state).toEqual(flow.state)
  })

  it('needs users', () => {
    expect(() => new Flow(new Engine(), { seed: 1 }).next(TIME)).toThrow(/fill the books first/)
  })
})

describe('Random', () => {
  it('spreads its numbers evenly', () => {
    const random = Random.seeded(7)
    const counts = new Array<number>(10).fill(0)
    for (let i = 0; i < 100_000; i++) counts[random.below(10)]++
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
    for (let i = 0; i < 1_000; i++) expect([3, 4, 5]).toContain(random.between(3, 5))
  })

  it('refuses a state that would only give zeros', () => {
    expect(() => new Random([0, 0, 0, 0])).toThrow(RangeError)
  })
})

import { runInNewContext } from 'node:vm'
import { checkedMeta } from '../../src/checked-meta'
import { isForksnapError } from '../../src/errors'
import type { SliceMeta } from '../../src/slice/types'

const of = (value: unknown, newest = 0n): SliceMeta => checkedMeta(() => value as SliceMeta, newest)

function refusal(meta: () => unknown, newest = 0n): Error & { code?: unknown } {
  try {
    checkedMeta(meta as () => SliceMeta, newest)
  } catch (error) {
    if (isForksnapError(error, 'ERR_INVALID_VALUE')) return error
    throw error
  }
  throw new Error('it was taken')
}

describe('meta that a slice can hold', () => {
  it('is copied, at every depth', () => {
    const live = { position: 3n, markets: [{ name: 'BTC', orders: 1 }] }
    const copy = of(live)
    const before = { position: 3n, markets: [{ name: 'BTC', orders: 1 }] }
    expect(copy).toEqual(before)
    live.position = 4n
    live.markets[0].orders = 2
    live.markets.push({ name: 'ETH', orders: 0 })
    expect(copy).toEqual(before)
  })

  it('is read once, so that a getter cannot give two answers', () => {
    let position = 0n
    const meta = {
      get position() {
        return ++position
      },
    }
    const copy = of(meta, 1n)
    expect([copy.position, copy.position, position]).toEqual([1n, 1n, 1n])
  })

  it('loses entries that are undefined, and nothing else', () => {
    expect(Object.keys(of({ a: undefined, b: null, position: undefined }))).toEqual(['b'])
    expect(of({})).toEqual({})
  })

  it('may come from another realm, or have no prototype', () => {
    expect(of(runInNewContext('({ position: 5n, of: { a: [1] } })'))).toEqual({ position: 5n, of: { a: [1] } })
    expect(of(Object.assign(Object.create(null), { position: 5n }))).toEqual({ position: 5n })
  })
})

describe('meta that no slice can hold', () => {
  it.each([undefined, null, 1, 'x', [1], () => ({}), Promise.resolve({})])('%p is not a plain object', (value) => {
    expect(refusal(() => value).message).toMatch(/must return a plain object at once; it returned/)
  })

  const cyclic: Record<string, unknown> = {}
  cyclic.self = { cyclic }
  it.each([
    ['a function', { f: () => 1 }, 'type function at "f"'],
    ['a symbol', { s: Symbol('x') }, 'type symbol at "s"'],
    ['NaN', { a: [1, NaN] }, 'NaN at "a[1]"'],
    ['undefined further down', { a: { b: undefined } }, 'type undefined at "a.b"'],
    ['a date', { at: new Date(0) }, 'not plain at "at"'],
    ['a Map', { a: { map: new Map() } }, 'not plain at "a.map"'],
    ['a lone surrogate', { text: '\ud800' }, 'lone surrogate in the text at "text"'],
    ['itself', cyclic, 'contains itself'],
  ])('%s: the message names the place', (_what, value, problem) => {
    expect(refusal(() => value).message).toContain(problem)
  })

  it.each([1, '1', -1n, null, 2n ** 63n])('a position of %p', (position) => {
    const range = /^meta\(\)\.position must be a bigint from 0n to 2n \*\* 63n - 1n; it is /
    expect(refusal(() => ({ position })).message).toMatch(range)
  })

  it('what meta throws is the cause', () => {
    const cause = new Error('the engine is closed')
    const thrower = (): never => {
      throw cause
    }
    expect(refusal(thrower)).toMatchObject({ message: 'meta() threw: the engine is closed', cause })
  })
})

describe('a position', () => {
  it('may be that of the newest slice or a later one', () => {
    expect(of({ position: 7n }, 7n).position).toBe(7n)
    expect(of({ position: 8n }, 7n).position).toBe(8n)
    expect(of({ position: 2n ** 63n - 1n }, 7n).position).toBe(2n ** 63n - 1n)
  })

  it('may not be before it, nor missing where there was one', () => {
    expect(refusal(() => ({ position: 6n }), 7n).message).toMatch(/is 6n, the newest slice has 7n?\./)
    expect(refusal(() => ({}), 7n).message).toMatch(/is 0n, the newest slice has 7n?\./)
  })
})

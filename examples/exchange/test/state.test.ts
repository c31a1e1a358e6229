import type { Column, ReadValue } from '../../../src/slice/types'
import { SliceParser } from '../../../src/slice/reader'
import { digest } from '../digest'
import { Engine } from '../engine'
import type { EngineOptions } from '../engine'
import { Flow } from '../flow'
import type { HeapOrder } from '../heap-orders'
import { checkState } from '../restore'
import { TABLES, restoreState, writeState } from '../state'
import type { TableName } from '../state'
import { sliceOf, TestExchange, TIME } from './helpers'

interface StoredRow {
  readonly table: TableName
  readonly values: ReadValue[]
}

/** The rows of a state after a journey through the bytes of a slice, and the digest that its trailer holds. */
function throughSlice(engine: Engine) {
  const rows: StoredRow[] = []
  const columns = new Map<string, readonly Column[]>()
  const parser = new SliceParser({
    table: (name, declared) => void columns.set(name, declared),
    row: (table, values) => void rows.push({ table: table as TableName, values }),
  })
  parser.push(sliceOf((slice) => writeState(engine, slice)))
  return { rows, columns, stored: parser.end().values.digest }
}

/** Restores from a slice of these rows, in which the rows of a table are side by side. */
function restored(rows: readonly StoredRow[], options: EngineOptions = {}): Engine {
  const engine = new Engine(options)
  const restore = restoreState(engine)
  const bytes = sliceOf((slice) => {
    let writer: { readonly name: string; row(...values: unknown[]): void } | undefined
    for (const { table, values } of rows) {
      if (writer?.name !== table) writer = slice.table(table, TABLES[table])
      writer.row(...values)
    }
  })
  const parser = new SliceParser({
    fields: (table) => {
      const handler = restore[table as TableName]
      return typeof handler === 'object' ? handler.fields : undefined
    },
    row: (table, values) => {
      const handler = restore[table as TableName]
      if (typeof handler === 'function') handler(values)
    },
  })
  parser.push(bytes)
  parser.end()
  return engine
}

/** A state in which every column of every table has something to say. */
function richState(): TestExchange {
  const exchange = new TestExchange()
  const [ann, bob] = [exchange.user({ ETH: '100', USDT: '1000' }), exchange.user({ ETH: '50', USDT: '1000', UNI: '7' })]
  exchange.apply('balance_update', {
    ...{ user_id: bob, asset: 'YFI', business: 'a:b\t\\N "ü"', business_id: '18446744073709551615', delta: '0.000001' },
  })
  exchange.put(ann, 'ASK', '2', '10', { signature: 'sig\u{1f600}\n' })
  exchange.put(ann, 'ASK', '3', '10', { post_only: true })
  exchange.put(bob, 'ASK', '1.0001', '10')
  exchange.put(bob, 'BID', '5', '9.99')
  exchange.put(ann, 'BID', '4', '9.99')
  exchange.put(bob, 'BID', '0.5', '10')
  exchange.put(ann, 'ASK', '1', '9.99')
  exchange.put(bob, 'ASK', '1', '3.3', { market: 'UNI_USDT' })
  exchange.apply('order_cancel_all', { user_id: bob, market: 'UNI_USDT' })
  return exchange
}

function orderIds(engine: Engine): number[][] {
  return [...engine.markets.values()].map(({ asks, bids }) => [...asks, ...bids].map((order) => order.id))
}

function shuffled(rows: readonly StoredRow[]): StoredRow[] {
  const later = rows.filter((row) => row.table !== 'user_slice').reverse()
  return [...rows.filter((row) => row.table === 'user_slice').reverse(), ...later]
}

describe('a slice of the state', () => {
  it('restores exactly what was saved, priorities included', () => {
    const { engine } = richState()
    const { rows, stored } = throughSlice(engine)
    const copy = restored(rows)
    checkState(copy)
    expect(stored).toBe(digest(engine))
    expect(digest(copy)).toBe(stored)
    expect(orderIds(copy)).toEqual(orderIds(engine))
    expect(throughSlice(copy).rows).toEqual(rows)
  })

  it('restores the same state whatever the order of the rows in a table', () => {
    const { engine } = richState()
    const copy = restored(shuffled(throughSlice(engine).rows))
    checkState(copy)
    expect(digest(copy)).toBe(digest(engine))
    expect(orderIds(copy)).toEqual(orderIds(engine))
    const orders = (one: Engine) => one.users.map((user) => user.orders.map((order) => order.id))
    expect(orders(copy)).toEqual(orders(engine))
  })

  it('declares its tables as they are documented', () => {
    const { columns } = throughSlice(richState().engine)
    expect(Object.fromEntries(columns)).toEqual(TABLES)
  })

  it('an empty engine is a state too', () => {
    const engine = new Engine()
    const { rows, stored } = throughSlice(engine)
    expect(digest(restored(rows))).toBe(stored)
    expect(stored).toBe(digest(engine))
  })

  it('a restored engine goes on as the saved one does', () => {
    const engine = new Engine()
    const flow = new Flow(engine, { seed: 5 })
    flow.fillBooks(2_000, TIME)
    for (let i = 0; i < 3_000; i++) flow.next(TIME + i)
    const copy = restored(throughSlice(engine).rows)
    const copyFlow = new Flow(copy, flow.state)
    for (let i = 0; i < 3_000; i++) expect(copyFlow.next(TIME + i)).toEqual(flow.next(TIME + i))
    expect(digest(copy)).toBe(digest(engine))
    checkState(copy)
  })

  it('remembers the balance updates that were made', () => {
    const copy = restored(throughSlice(richState().engine).rows)
    const params = {
      user_id: 2,
      asset: 'YFI',
      business: 'a:b\t\\N "ü"',
      business_id: '18446744073709551615',
      delta: '1',
    }
    const again = () => copy.apply({ id: 99n, time: TIME, method: 'balance_update', params })
    expect(again).toThrow('duplicate')
  })
})

/** Another value of the same kind. */
function changed(value: ReadValue): ReadValue {
  if (typeof value === 'boolean') return !value
  if (typeof value === 'number') return value + 1
  if (value instanceof Uint8Array) return Buffer.concat([value, Buffer.from('x')])
  const text = value as string
  const digit = /\d(?=\D*$)/.exec(text)
  if (digit === null) return text === 'ASK' ? 'BID' : `${text}x`
  return text.slice(0, digit.index) + ((Number(digit[0]) + 1) % 10) + text.slice(digit.index + 1)
}

/** The one column that says nothing about the state: the row's number. */
const IDLE_COLUMNS = ['balance_slice.id']

describe('the digest', () => {
  it('is another one, or restoring fails, whichever value of whichever row is changed', () => {
    const { rows, stored } = throughSlice(richState().engine)
    const seen = new Set<string>()
    rows.forEach(({ table, values }, place) => {
      values.forEach((value, index) => {
        const column = `${table}.${TABLES[table][index]?.[0]}`
        if (IDLE_COLUMNS.includes(column)) return
        const other = { table, values: values.with(index, changed(value)) }
        expect(other.values).not.toEqual(values)
        expect([column, digestAfter(rows.with(place, other))]).not.toEqual([column, stored])
        seen.add(column)
      })
    })
    const all = Object.values(TABLES).reduce((sum, columns) => sum + columns.length, 0)
    expect(seen.size).toBe(all - IDLE_COLUMNS.length)
  })

  it('is another one, or the check fails, when a row is missing or doubled', () => {
    const { rows, stored } = throughSlice(richState().engine)
    rows.forEach((row, place) => {
      // A market without a trade is what a new engine has anyway.
      const idle = row.table === 'market_slice' && row.values[1] === 0
      expect(digestAfter(rows.toSpliced(place, 1)) === stored).toBe(idle)
      expect(digestAfter(rows.toSpliced(place, 0, row)) === stored).toBe(isRepeatable(row))
    })
  })

  it('sees every field of an order that restoring could not contradict', () => {
    const fields = ['remain', 'finishedQuote', 'createTime', 'updateTime', 'signature', 'postOnly', 'amount', 'price']
    const { rows, stored } = throughSlice(richState().engine)
    for (const field of [...fields, 'id', 'side', 'type']) {
      const engine = restored(rows)
      const order = engine.openOrders.get(4) as unknown as Record<string, unknown>
      const value = order[field]
      const others: Record<string, unknown> = { number: (value as number) + 1, string: 'ASK', boolean: true }
      order[field] = field === 'type' ? 'MARKET' : others[typeof value]
      expect([field, digest(engine)]).not.toEqual([field, stored])
    }
  })

  it('sees all bits of a number', () => {
    const digests = ['0', '4294.967296', '8589.934592', '0.000001'].map((delta) => {
      const exchange = new TestExchange()
      exchange.user({ ETH: delta })
      return digest(exchange.engine)
    })
    expect(new Set(digests).size).toBe(4)
  })

  it('sees two orders of one price change places', () => {
    const { rows, stored } = throughSlice(richState().engine)
    const engine = restored(rows)
    const level = engine.market('ETH_USDT').asks.best
    const first = level?.oldest as HeapOrder | undefined
    const second = first?.newer
    if (!level || !first || !second) throw new Error('the level has too few orders')
    const third = second.newer
    level.oldest = second
    second.newer = first
    first.newer = third
    expect(digest(engine)).not.toBe(stored)
  })
})

/** Rows that set a value, instead of adding one, may come twice. */
function isRepeatable({ table }: StoredRow): boolean {
  return table === 'counter_slice' || table === 'market_slice' || table === 'business_slice'
}

/** The digest after restoring; undefined if restoring refuses the rows. */
function digestAfter(rows: readonly StoredRow[]): string | undefined {
  try {
    return digest(restored(rows))
  } catch (error) {
    if (!(error instanceof TypeError)) return undefined
    throw error
  }
}

describe('checkState', () => {
  it.each([
    ['order_slice', 11, '0.5000', /contradicts itself/],
    ['order_slice', 12, '1.000000', /contradicts itself/],
    ['order_slice', 1, 'MARKET', /contradicts itself/],
    ['order_slice', 3, '2026-11-23 12:00:00.0001', /finer than a millisecond/],
    ['order_slice', 4, '1969-12-31 23:59:59', /timestamp/],
    ['order_slice', 9, '0.1', /contradicts itself/],
    ['order_slice', 15, '0.00000001', /contradicts itself/],
    ['balance_slice', 3, 3, /column t/],
    ['user_slice', 0, 3, /user/],
    ['counter_slice', 0, 'x', /counter/],
    ['counter_slice', 1, 1, /newer than the counter/],
    ['market_slice', 1, 1, /trades/],
  ] as const)('refuses a %s with column %d = %j', (table, index, value, message) => {
    const { rows } = throughSlice(richState().engine)
    const place = rows.findIndex((row) => row.table === table)
    const row = rows[place]
    const wrong = rows.with(place, { table, values: row.values.with(index, value) })
    expect(() => checkState(restored(wrong))).toThrow(message)
  })

  it('refuses frozen funds that no order needs', () => {
    const { rows } = throughSlice(richState().engine)
    const place = rows.findIndex((row) => row.table === 'balance_slice' && row.values[3] === 2)
    expect(() => checkState(restored(rows.toSpliced(place, 1)))).toThrow(/frozen of/)
  })
})

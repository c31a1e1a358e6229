import { hasCodec } from '../../src/slice/codec'
import type { ColumnType } from '../../src/slice/types'
import { createSliceWriter, nullTarget, type SliceWriterOptions } from '../../src/slice/writer'
import { readSlice, writeSlice } from '../helpers/slice-memory'

const circular: Record<string, unknown> = {}
circular['self'] = circular

/** What each type refuses, and a word of the reason. */
const REFUSED: readonly [ColumnType, unknown, string][] = [
  ['bool', 1, 'boolean'],
  ['bool', undefined, 'of type undefined'],
  ['int2', 32768, 'range'],
  ['int2', -32769, 'range'],
  ['int4', 2147483648, 'range'],
  ['int4', -2147483649, 'range'],
  ['int4', 1.5, 'whole'],
  ['int4', NaN, 'whole'],
  ['int4', Infinity, 'whole'],
  ['int4', 5n, 'a number'],
  ['int4', '5', 'a number'],
  ['int8', 2n ** 63n, 'range'],
  ['int8', -(2n ** 63n) - 1n, 'range'],
  ['int8', 2n ** 2000n, 'range'],
  ['int8', 2 ** 53, 'safe'],
  ['int8', 0.5, 'whole'],
  ['int8', NaN, 'whole'],
  ['int8', '5', 'bigint'],
  ['float4', 3.5e38, 'too large'],
  ['float4', 1e-46, 'too small'],
  ['float8', '1.5', 'a number'],
  ['text', 'a\0b', 'NUL'],
  ['text', 'a\ud800b', 'lone surrogate'],
  ['text', '\udc00', 'lone surrogate'],
  ['text', 'ends in \ud83d', 'lone surrogate'],
  ['text', '\ud83d\ud83d', 'lone surrogate'],
  ['text', `${'x'.repeat(16383)}\ud83d`, 'lone surrogate'],
  ['text', 5, 'a string'],
  ['text', new String('x'), 'a string'],
  ['varchar(3)', 'abcd', '4 characters'],
  ['varchar(3)', '😀😀😀😀', '4 characters'],
  ['numeric', '', 'no decimal'],
  ['numeric', '-', 'no decimal'],
  ['numeric', '1e5', 'no decimal'],
  ['numeric', '1.5e5', 'no decimal'],
  ['numeric', '.5', 'no decimal'],
  ['numeric', '5.', 'no decimal'],
  ['numeric', '1.2.3', 'no decimal'],
  ['numeric', ' 1', 'no decimal'],
  ['numeric', '1 ', 'no decimal'],
  ['numeric', '--1', 'no decimal'],
  ['numeric', '+-1', 'no decimal'],
  ['numeric', '0x10', 'no decimal'],
  ['numeric', '1_000', 'no decimal'],
  ['numeric', '１', 'no decimal'],
  ['numeric', 'nan', 'no decimal'],
  ['numeric', '+Infinity', 'no decimal'],
  ['numeric', 'inf', 'no decimal'],
  ['numeric', 2 ** 53, 'safe range'],
  ['numeric', -1e21, 'safe range'],
  ['numeric', true, 'a string of digits'],
  ['numeric', '1'.repeat(131073), 'before the point'],
  ['numeric', `0.${'0'.repeat(16383)}1`, 'after the point'],
  ['numeric(30,8)', '1.123456789', 'more than 8 digits'],
  ['numeric(30,8)', '1.0000000001', 'more than 8 digits'],
  ['numeric(30,8)', '1.00000000x', 'no decimal'],
  ['numeric(30,8)', '1.00000000.', 'no decimal'],
  ['numeric(30,8)', '1'.repeat(23), '23 digits before'],
  ['numeric(30,8)', 10n ** 22n, '23 digits before'],
  ['numeric(30,8)', 1e-9, 'more than 8 digits'],
  ['numeric(30,8)', 'Infinity', 'Infinity'],
  ['numeric(30,8)', -Infinity, 'Infinity'],
  ['numeric(2,2)', '1.0', '1 digits before'],
  ['timestamp', new Date(NaN), 'invalid Date'],
  ['timestamp', new Date(Date.UTC(-4713, 10, 24) - 1), 'range'],
  ['timestamp', '4714-11-23 23:59:59 BC', 'range'],
  ['timestamp', '294277-01-01 00:00:00', 'range'],
  ['timestamp', '2026-11-23', 'ISO'],
  ['timestamp', '2026-02-29 00:00:00', 'ISO'],
  ['timestamp', '1900-02-29 00:00:00', 'ISO'],
  ['timestamp', '2026-13-01 00:00:00', 'ISO'],
  ['timestamp', '2026-00-01 00:00:00', 'ISO'],
  ['timestamp', '2026-01-00 00:00:00', 'ISO'],
  ['timestamp', '0000-01-01 00:00:00', 'ISO'],
  ['timestamp', '2026-01-01 24:00:00', 'ISO'],
  ['timestamp', '2026-01-01 00:60:00', 'ISO'],
  ['timestamp', '2026-01-01 00:00:60', 'ISO'],
  ['timestamp', '2026-01-01 00:00:00.1234567', 'ISO'],
  ['timestamp', '2026-01-01 00:00:00\n', 'ISO'],
  ['timestamp', 'now', 'ISO'],
  ['timestamp', '2026-01-01 00:00:00Z', 'time zone'],
  ['timestamp', 1_700_000_000_000, 'a Date'],
  ['timestamptz', '2026-01-01 00:00:00', 'time zone'],
  ['timestamptz', '2026-01-01 00:00:00+16:00', 'ISO'],
  ['timestamptz', '294276-12-31 23:59:59-01', 'range'],
  ['date', new Date('2026-11-23T12:00:00Z'), 'time of day'],
  ['date', new Date(NaN), 'invalid Date'],
  ['date', '2026-11-23 00:00:00', 'no date'],
  ['date', '5874898-01-01', 'range'],
  ['date', '4714-11-23 BC', 'range'],
  ['bytea', 'text', 'Uint8Array'],
  ['bytea', new ArrayBuffer(2), 'Uint8Array'],
  ['bytea', [1, 2], 'an array'],
  ['json', undefined, 'undefined'],
  ['json', { a: undefined }, 'undefined at "a"'],
  ['json', [1, , 2], 'undefined at "[1]"'], // eslint-disable-line no-sparse-arrays
  ['json', { a: [NaN] }, 'NaN at "a[0]"'],
  ['json', { a: [0, -0] }, '-0, which JSON writes as 0 at "a[1]"'],
  ['json', () => 1, 'function'],
  ['json', { a: 1n }, 'bigint'],
  ['json', new Date(0), 'not plain'],
  ['json', { a: new Map() }, 'not plain'],
  ['json', { toJSON: () => 1 }, 'toJSON'],
  ['json', 'a\ud800', 'lone surrogate'],
  ['json', { '\ud800': 1 }, 'lone surrogate'],
  ['json', circular, 'contains itself'],
  ['jsonb', { a: 'x\0' }, 'NUL'],
  ['jsonb', { 'x\0': 1 }, 'NUL'],
  ['uuid', '123e4567e89b12d3a456426614174000', 'UUID'],
  ['uuid', '123e4567-e89b-12d3-a456-42661417400g', 'UUID'],
]

/** A value that each of the types takes. */
const GOOD: { readonly [type: string]: unknown } = {
  bool: true,
  int2: 1,
  int4: 1,
  int8: 1n,
  float4: 1,
  float8: 1,
  date: '2026-11-23',
  timestamp: '2026-11-23 00:00:00',
  timestamptz: '2026-11-23 00:00:00+00',
  bytea: new Uint8Array(1),
  json: {},
  jsonb: {},
  uuid: '123e4567-e89b-12d3-a456-426614174000',
}

describe('values that a column cannot hold', () => {
  test.each(REFUSED)('%s: %p is refused, and nothing of the row is left', (type, value, reason) => {
    const good = GOOD[type] ?? '0'
    const { bytes } = writeSlice((slice) => {
      const table = slice.table('orders', [
        ['id', 'int4'],
        ['value', type],
      ])
      const row = table.row.bind(table) as (...values: unknown[]) => void
      row(1, good)
      const details = { code: 'ERR_INVALID_VALUE', table: 'orders', row: 2, column: 'value' }
      expect(() => row(2, value)).toThrow(expect.objectContaining(details))
      expect(() => row(2, value)).toThrow(reason)
      expect(() => row(2, value)).toThrow(/^Table "orders", row 2, column "value" \(/)
      row(3, good)
    })
    const { rows, ends } = readSlice(bytes)
    expect(rows.map(([, [id]]) => id)).toEqual([1, 3])
    expect(ends).toEqual([['orders', 2]])
  })

  const HUGE = 1 << 30
  /** As long as a text can be; only its pieces take memory as long as nobody looks at its characters. */
  const hugeText = (): string => 'x'.repeat((1 << 29) - 24)
  test.each<[type: string, make: () => unknown]>([
    ['text', hugeText],
    ['varchar(30)', hugeText],
    ['bytea', () => new Uint8Array(HUGE)],
    ['numeric', hugeText],
    ['uuid', hugeText],
    ['json', () => Array<string>(1024).fill('x'.repeat(HUGE / 1024))],
    ['jsonb', () => ({ deep: [hugeText()] })],
  ])('%s: a gigabyte is refused with its place, and takes no memory', (type, make) => {
    writeSlice((slice) => {
      const table = slice.table('orders', [['value', type as 'text']])
      const value = make() as string
      const before = process.memoryUsage().rss
      const details = { code: 'ERR_INVALID_VALUE', table: 'orders', row: 1, column: 'value' }
      expect(() => table.row(value)).toThrow(expect.objectContaining(details))
      expect(process.memoryUsage().rss - before).toBeLessThan(32 * 1024 * 1024)
    })
  })

  test('int8 that reads back as a number holds the safe range only', () => {
    writeSlice((slice) => {
      const table = slice.table('t', [['id', 'int8', { as: 'number' }]])
      expect(() => table.row(2n ** 53n)).toThrow(/row 1, column "id".*safe range/)
    })
  })

  test('the wrong number of values', () => {
    writeSlice((slice) => {
      const table = slice.table('t', [['id', 'int8']])
      const row = table.row.bind(table) as (...values: unknown[]) => void
      expect(() => row()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_VALUE', table: 't', row: 1 }))
      expect(() => row(1n, 2n)).toThrow('got 2 values for 1 columns')
    })
  })

  test('a value is not told in the message', () => {
    writeSlice((slice) => {
      const table = slice.table('t', [['key', 'varchar(3)']])
      expect(() => table.row('secret')).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining('secret') }),
      )
    })
  })

  test('a getter in a value cannot write to the slice in the middle of its row', () => {
    const { bytes } = writeSlice((slice) => {
      const table = slice.table('t', [
        ['id', 'int4'],
        ['value', 'json'],
      ])
      const tricks = [
        () => table.row(9, null),
        () => table.rows([9], (id) => [id, null]),
        () => slice.table('u', [['id', 'int4']]),
        () => slice.blob('b', new Uint8Array(1)),
        () => slice.finish(),
      ]
      for (const trick of tricks) {
        const value = {
          get inner() {
            trick()
            return 1
          },
        }
        expect(() => table.row(1, value)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }))
      }
      table.row(2, null)
    })
    expect(readSlice(bytes)).toMatchObject({ rows: [['t', [2, null]]], ends: [['t', 1]] })
  })

  test('a row longer than a frame', () => {
    const { bytes } = writeSlice((slice) => {
      const table = slice.table('t', [['data', 'bytea']])
      const details = { code: 'ERR_INVALID_VALUE', row: 1, column: 'data' }
      expect(() => table.row(new Uint8Array(33 * 1024 * 1024))).toThrow(expect.objectContaining(details))
      table.row(new Uint8Array(1024 * 1024))
    })
    expect(readSlice(bytes).rows).toHaveLength(1)
  })
})

describe('names and columns', () => {
  const refuses = (name: unknown, columns: unknown, details: object): void => {
    writeSlice((slice) => {
      const expected = expect.objectContaining({ code: 'ERR_INVALID_VALUE', ...details })
      expect(() => slice.table(name as string, columns as [])).toThrow(expected)
    })
  }
  const id = ['id', 'int8']

  test.each(['', 'a\0', '\ud800', 'x'.repeat(64), 'é'.repeat(32), 5, undefined])('the table name %p', (name) => {
    refuses(name, [id], {})
  })
  test.each(['', 'a\0', '\ud800', 'x'.repeat(64), 5])('the column name %p', (name) => {
    refuses('t', [[name, 'int8']], { table: 't' })
  })
  test.each([
    'int',
    'INT8',
    'varchar',
    'varchar(0)',
    'varchar(10485761)',
    'varchar(-1)',
    'varchar(1,2)',
    'numeric(0,0)',
    'numeric(1001,0)',
    'numeric(2,3)',
    'numeric(10)',
    'numeric(10,-1)',
    'text(5)',
    'constructor',
    5,
  ])('the type %p', (type) => {
    refuses('t', [['c', type]], { table: 't', column: 'c' })
  })
  test.each([{ as: 'string' }, { form: 'x' }, 'number', null])('the options %p', (options) => {
    refuses('t', [['c', 'int8', options]], { table: 't', column: 'c' })
  })
  test.each([
    [[]],
    [undefined],
    [Array.from({ length: 1601 }, (_, i) => [`c${i}`, 'int8'])],
    [[['id']]],
    [['id', 'int8']],
  ])('the columns %p', (columns) => refuses('t', columns, { table: 't' }))
  test("'as' for another type than int8", () => refuses('t', [['c', 'int4', { as: 'number' }]], { column: 'c' }))
  test('a column twice', () => refuses('t', [id, id], { table: 't', column: 'id' }))

  test('a name of 63 bytes, and a type with a space', () => {
    const { bytes } = writeSlice((slice) => void slice.table('é'.repeat(31) + 'x', [['c', 'numeric(30, 8)']]))
    expect(readSlice(bytes).columns).toEqual(new Map([['é'.repeat(31) + 'x', [['c', 'numeric(30,8)']]]]))
  })

  test('a table or a blob twice', () => {
    const { bytes } = writeSlice((slice) => {
      slice.table('t', [['id', 'int8']]).row(1n)
      expect(() => slice.table('t', [['id', 'int8']])).toThrow(expect.objectContaining({ table: 't' }))
      slice.blob('t', new Uint8Array(1))
      expect(() => slice.blob('t', new Uint8Array(1))).toThrow('already')
      expect(() => slice.blob('x', 'text' as never)).toThrow('ArrayBuffer')
    })
    expect(readSlice(bytes).ends).toEqual([['t', 1]])
  })

  test('a value of set() that JSON does not hold, or that is too long', () => {
    writeSlice((slice) => {
      expect(() => slice.set('digest', 5n as never)).toThrow(/"digest".*bigint/)
      expect(() => slice.set('d', { x: undefined } as never)).toThrow('undefined')
      expect(() => slice.set('long', 'x'.repeat(1024 * 1024))).toThrow('blob')
    })
  })
})

describe('options', () => {
  const begin = (options: object): unknown => {
    const good: SliceWriterOptions = { sliceId: 1n, meta: {}, codec: 'none', syncEveryBytes: 0 }
    return createSliceWriter(nullTarget(), { ...good, ...options })
  }
  test.each([
    [{ sliceId: -1n }],
    [{ sliceId: 2n ** 63n }],
    [{ sliceId: 1 }],
    [{ codec: 'lz4' }],
    [{ syncEveryBytes: -1 }],
    [{ syncEveryBytes: NaN }],
    [{ constantColumn: { name: 'slice_id', type: 'int8', value: 5 } }],
  ])('%p', (options) => {
    expect(() => begin(options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
  test.each([
    [{ meta: { position: 5 } }],
    [{ meta: { position: -5n } }],
    [{ meta: { a: NaN } }],
    [{ meta: { a: { b: undefined } } }],
    [{ meta: 'x' }],
    [{ meta: { big: 'x'.repeat(1024 * 1024) } }],
    [{ constantColumn: { name: '', type: 'int8', value: 5n } }],
  ])('%p', (options) => {
    expect(() => begin(options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_VALUE' }))
  })
  test('zstd needs a runtime that has it', () => {
    if (hasCodec('zstd')) expect(() => begin({ codec: 'zstd' })).not.toThrow()
    else expect(() => begin({ codec: 'zstd' })).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED_PLATFORM' }))
  })
})

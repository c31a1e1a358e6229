import fc from 'fast-check'
import { copyLineDecoder, timestampToMs } from '../../src/slice/reader'
import type { ColumnType, ReadValue } from '../../src/slice/types'
import { CODECS, copyText, readSlice, roundTrip, writeSlice } from '../helpers/slice-memory'

/** Values that read back as they were written. */
const SAME: readonly [ColumnType, readonly ReadValue[]][] = [
  ['bool', [true, false, null]],
  ['int2', [0, 1, -1, 32767, -32768, null]],
  ['int4', [0, 9, 10, 99, 100, 12345678, 123456789, 1234567890, 2147483647, -2147483648, null]],
  ['int8', [0n, -1n, 999999999n, 1000000000n, 1000000001n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, null]],
  ['int8', [2n ** 63n - 1n, -(2n ** 63n), -(2n ** 53n) - 1n, 123456789012345n, 1234567890123456n]],
  [
    'float8',
    [0, -0, 1, -1.5, 0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2 ** 53, NaN, Infinity, -Infinity, null],
  ],
  ['float4', [0, -0, 1.5, Math.fround(0.1), Math.fround(3.4e38), NaN, Infinity, -Infinity, Math.fround(1e-45), null]],
  ['text', ['', 'plain', '\t', '\n', '\r', '\b\f\v', '\\', '\\N', '\\.', 'a\tb\nc\\d', '\x01\x1f\x7f', null]],
  ['text', ['é', 'ß漢字', '😀', 'a😀\\漢\té', '\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}', '\ufeff', '\u2028']],
  ['text', ['exactly 12!!', 'longer than a short string', 'x'.repeat(5000)]],
  ['varchar(3)', ['', 'abc', '😀😀😀', null]],
  ['numeric', ['0', '0.00', '-1.5', '12345678901234567890.12345678901234567890', 'NaN', 'Infinity', '-Infinity', null]],
  ['numeric', ['9'.repeat(131072), `0.${'1'.repeat(16383)}`]],
  ['numeric(30,8)', ['1.12345678', '-9999999999999999999999.99999999', 'NaN', '1', '0.5']],
  [
    'timestamp',
    ['2026-11-23 12:00:00', '2026-11-23 12:00:00.123456', '4714-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999'],
  ],
  ['timestamp', ['infinity', '-infinity', '2024-02-29 00:00:00', null]],
  ['timestamptz', ['2026-11-23 12:00:00.1+00', '0001-12-31 23:59:59+00 BC', 'infinity', null]],
  ['date', ['2026-11-23', '5874897-12-31', '4714-11-24 BC', '0004-02-29', 'infinity', '-infinity', null]],
  ['bytea', [new Uint8Array(0), new Uint8Array([0, 1, 9, 10, 92, 127, 128, 255]), null]],
  ['json', [{ a: [1, 'x\t\n\\', null, true], é: { '': -1.5e300 } }, [], 'text', 0, false, '\0', { x: 1 }]],
  ['jsonb', [{ nested: { deep: [[[]]] } }, 'tab\tand "quotes"', null]],
  ['uuid', ['123e4567-e89b-12d3-a456-426614174000', null]],
]

/** Values that are written in the form in which PostgreSQL would return them. */
const CANONICAL: readonly [ColumnType, unknown, ReadValue][] = [
  ['int8', 42, 42n],
  ['int8', -0, 0n],
  ['int4', -0, 0],
  ['float4', 0.1, Math.fround(0.1)],
  ['numeric', '+5', '5'],
  ['numeric', '-0.00', '0.00'],
  ['numeric', '007.10', '7.10'],
  ['numeric', 12n, '12'],
  ['numeric', 0.1, '0.1'],
  ['numeric', -1.5e-7, '-0.00000015'],
  ['numeric', 5e-324, `0.${'0'.repeat(323)}5`],
  ['numeric', -0, '0'],
  ['numeric', NaN, 'NaN'],
  ['numeric', -Infinity, '-Infinity'],
  ['numeric(10,2)', '1.50000', '1.50'],
  ['numeric(10,0)', '-7.000', '-7'],
  ['numeric(2,2)', '0.25', '0.25'],
  ['numeric(2,2)', '000.25', '0.25'],
  ['timestamp', new Date('2026-11-23T12:00:00.120Z'), '2026-11-23 12:00:00.12'],
  ['timestamp', new Date('2026-11-23T01:02:03.000Z'), '2026-11-23 01:02:03'],
  ['timestamp', new Date('2026-11-23T23:59:59.007Z'), '2026-11-23 23:59:59.007'],
  ['timestamp', new Date(-1), '1969-12-31 23:59:59.999'],
  ['timestamp', new Date(8.64e15), '275760-09-13 00:00:00'],
  ['timestamp', new Date(Date.UTC(-4713, 10, 24)), '4714-11-24 00:00:00 BC'],
  ['timestamp', new Date('0000-01-01T00:00:00Z'), '0001-01-01 00:00:00 BC'],
  ['timestamp', '2026-11-23T12:00:00.500000', '2026-11-23 12:00:00.5'],
  ['timestamptz', new Date('2026-11-23T12:00:00Z'), '2026-11-23 12:00:00+00'],
  ['timestamptz', '2026-11-23T12:00:00Z', '2026-11-23 12:00:00+00'],
  ['timestamptz', '2026-01-01 00:30:00.25+05:30', '2025-12-31 19:00:00.25+00'],
  ['timestamptz', '2026-12-31 23:00:00-0100', '2027-01-01 00:00:00+00'],
  ['timestamptz', '0001-01-01 00:00:00+01', '0001-12-31 23:00:00+00 BC'],
  ['date', new Date('2026-11-23T00:00:00Z'), '2026-11-23'],
  ['uuid', '123E4567-E89B-12D3-A456-426614174000', '123e4567-e89b-12d3-a456-426614174000'],
  ['bytea', Buffer.from('hi'), new Uint8Array([104, 105])],
]

describe('values', () => {
  test.each(SAME)('%s reads back as written', (type, values) => {
    expect(roundTrip(type, values)).toStrictEqual(values)
  })

  test.each(CANONICAL)('%s: %p reads back as %p', (type, written, read) => {
    expect(roundTrip(type, [written])).toStrictEqual([read])
  })

  test('int8 reads back as a number where the column says so', () => {
    expect(roundTrip('int8', [5n, -(2n ** 53n) + 1n, null], 'number')).toStrictEqual([5, -(2 ** 53) + 1, null])
  })

  test('json keeps a key named __proto__ as data', () => {
    const [value] = roundTrip('json', [JSON.parse('{"__proto__":{"x":1}}')])
    expect(Object.keys(value as object)).toEqual(['__proto__'])
  })

  test('fields have the text that COPY TO STDOUT writes', () => {
    expect(copyText([true, false, null], 'bool')).toBe('t\nf\n\\N\n')
    expect(copyText(['\b\t\n\v\f\r\\\x01'], 'text')).toBe('\\b\\t\\n\\v\\f\\r\\\\\x01\n')
    expect(copyText([new Uint8Array([1, 255])], 'bytea')).toBe('\\\\x01ff\n')
    expect(copyText([{ a: 'x\ny' }], 'jsonb')).toBe('{"a":"x\\\\ny"}\n')
  })
})

describe('any values', () => {
  const wellFormed = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'))
  const digits = (min: number, max: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max })
  const plainNumeric = fc
    .tuple(fc.constantFrom('', '-'), fc.constantFrom('1', '9', '5'), digits(0, 40), fc.constant('.'), digits(1, 40))
    .map((parts) => parts.join(''))
  const arbitraries: [ColumnType, fc.Arbitrary<ReadValue>][] = [
    ['text', wellFormed],
    ['int4', fc.integer()],
    ['int8', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
    ['int8', fc.maxSafeInteger().map(BigInt)],
    ['float8', fc.double()],
    ['float4', fc.float()],
    ['numeric', plainNumeric],
    ['bytea', fc.uint8Array()],
    // Minus zero is the one number that JSON text does not keep.
    ['json', fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as ReadValue)],
    ['uuid', fc.uuid()],
  ]
  test.each(arbitraries)('%s', (type, arbitrary) => {
    fc.assert(
      fc.property(fc.array(fc.option(arbitrary)), (values) => {
        expect(roundTrip(type, values)).toStrictEqual(values)
      }),
    )
  })

  test('a Date in a timestamp is the same instant', () => {
    const first = Date.UTC(-4713, 10, 24)
    fc.assert(
      fc.property(fc.integer({ min: first, max: 8.64e15 }), (ms) => {
        const [plain, zoned] = ['timestamp', 'timestamptz'].map(
          (type) => roundTrip(type as ColumnType, [new Date(ms)])[0],
        )
        expect(timestampToMs(plain as string)).toBe(ms)
        expect(timestampToMs(zoned as string)).toBe(ms)
      }),
    )
  })

  test('rows of all types at once, in every codec, split anywhere', () => {
    const row = fc.tuple(fc.maxSafeInteger(), wellFormed, plainNumeric, fc.boolean(), fc.uint8Array())
    const cases = fc.tuple(
      fc.array(row, { maxLength: 50 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
    )
    for (const codec of CODECS) {
      fc.assert(
        fc.property(cases, ([rows, chunkLengths]) => {
          const { bytes, trailer } = writeSlice(
            (slice) => {
              const columns = [
                ['a', 'int8', { as: 'number' }],
                ['b', 'text'],
                ['c', 'numeric'],
                ['d', 'bool'],
                ['e', 'bytea'],
              ]
              const table = slice.table('t', columns as never)
              for (const values of rows) table.row(...(values as never))
            },
            { codec },
          )
          const seen = readSlice(bytes, chunkLengths)
          expect(seen.rows.map(([, values]) => values)).toStrictEqual(rows)
          expect(seen.trailer).toStrictEqual(trailer)
        }),
        { numRuns: 40 },
      )
    }
  })
})

describe('COPY lines of a server', () => {
  const decode = copyLineDecoder('t', [
    ['id', 'int8'],
    ['note', 'text'],
  ])
  test('with and without the line feed', () => {
    expect(decode(Buffer.from('1\ta\\tb\n'))).toStrictEqual([1n, 'a\tb'])
    expect(decode(Buffer.from('-2\t\\N'))).toStrictEqual([-2n, null])
  })

  test.each([
    ['1', 'id', 'fields are missing'],
    ['1\ta\tb', 'note', 'too many'],
    ['x\ta', 'id', 'is no int8'],
    ['9223372036854775808\ta', 'id', 'is no int8'],
    ['1\t\\q', 'note', 'is no text'],
  ])('refuses %p', (line, column, problem) => {
    expect(() => decode(Buffer.from(line))).toThrow(expect.objectContaining({ code: 'ERR_INVALID_VALUE', column }))
    expect(() => decode(Buffer.from(line))).toThrow(problem)
  })

  test('refuses bytes that are not UTF-8', () => {
    expect(() => decode(Buffer.from([49, 9, 0xff]))).toThrow('not UTF-8')
  })
})

import fc from 'fast-check'
import { copyLineDecoder, SliceParser, timestampToMs } from '../../src/slice/reader'
import { RowDecoder } from '../../src/slice/decode'
import type { Column, ColumnType, ReadValue, RowFields } from '../../src/slice/types'
import { SliceForge } from '../helpers/slice-forge'
import { writeSlice } from '../helpers/slice-memory'

/** Calls `get` with the fields of one line, given as text of COPY. */
function of<T>(columns: readonly Column[], line: string, get: (fields: RowFields) => T): T {
  const results: T[] = []
  new RowDecoder('t', columns).decodeFields(Buffer.from(`${line}\n`), (fields) => results.push(get(fields)))
  return results[0]
}

/** What `get` gives for one field of a type, or the code of its error. */
function outcome<T>(type: ColumnType, text: string, get: (fields: RowFields) => T): T | string {
  try {
    return of([['c', type]], text, get)
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** The value that a row of values has there; undefined for bytes that are no such value. */
function valueOf(type: ColumnType, text: string): ReadValue | undefined {
  try {
    return copyLineDecoder('t', [['c', type]])(Buffer.from(`${text}\n`))[0]
  } catch {
    return undefined
  }
}

const REFUSED = 'ERR_INVALID_VALUE'

/** What units() must give: the exact value, by bigints, or a refusal. */
function unitsOf(text: string, digits: number): number | string {
  const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []
  if (whole === undefined || /[1-9]/.test(fraction.slice(digits))) return REFUSED
  const units = BigInt(whole + fraction.padEnd(digits, '0').slice(0, digits)) * (sign === '-' ? -1n : 1n)
  return Number.isSafeInteger(Number(units)) ? Number(units) : REFUSED
}

/** Text that is nearly, and often, a number. */
const nearNumber = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 0, maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(...'0019-+.eN \\'), maxLength: 20 }),
  fc.maxSafeInteger().map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.constantFrom('32767', '32768', '-32768', '-32769', '2147483647', '2147483648', '-2147483648', '-2147483649'),
  fc.constantFrom('9007199254740991', '9007199254740992', '-9007199254740991', '999999999999999', '-0', '\\N'),
  fc.constantFrom('9223372036854775807', '9223372036854775808', 'NaN', 'Infinity', '-Infinity'),
)

describe('the fields of a row', () => {
  test.each(['int2', 'int4', 'int8'] as const)('%s: integer() is the value, if that is safe', (type) => {
    fc.assert(
      fc.property(nearNumber, (text) => {
        const value = valueOf(type, text)
        const safe = value !== undefined && value !== null && Number.isSafeInteger(Number(value))
        expect(outcome(type, text, (fields) => fields.integer(0))).toBe(safe ? Number(value) : REFUSED)
      }),
      { numRuns: 2000 },
    )
  })

  const decimal = fc
    .tuple(fc.constantFrom('', '-'), fc.nat({ max: 17 }), fc.nat({ max: 17 }), fc.bigInt({ min: 0n, max: 10n ** 17n }))
    .map(([sign, whole, places, digits]) => {
      const text = String(digits)
      return `${sign}${text.slice(0, whole) || '0'}${places === 0 ? '' : `.${text.slice(-places)}`}`
    })

  test('numeric: units() is exact or refused', () => {
    const digits = fc.integer({ min: 0, max: 22 })
    fc.assert(
      fc.property(fc.oneof(decimal, nearNumber), digits, (text, places) => {
        const value = valueOf('numeric', text)
        const expected = typeof value === 'string' ? unitsOf(value, places) : REFUSED
        expect(outcome('numeric', text, (fields) => fields.units(0, places))).toBe(expected)
      }),
      { numRuns: 4000 },
    )
  })

  test.each([
    ['1.5', 4, 15000],
    ['-1.50', 1, -15],
    ['-0.00', 2, 0],
    ['0.1', 15, 1e14],
    ['9007199254740991', 0, 9007199254740991],
    ['9007199254.740991', 6, 9007199254740991],
    ['9007199254.740992', 6, REFUSED],
    ['-9007199254740992', 0, REFUSED],
    ['900719925474099.2', 1, REFUSED],
    ['00000000000000000000001.5', 1, 15],
    ['1.50000000000000000000', 1, 15],
    ['1.51', 1, REFUSED],
    ['1.', 1, REFUSED],
    ['.5', 1, REFUSED],
    ['-', 1, REFUSED],
    ['', 1, REFUSED],
    ['NaN', 1, REFUSED],
    ['1', -1, 'ERR_INVALID_ARGUMENT'],
    ['1', 0.5, 'ERR_INVALID_ARGUMENT'],
    ['1', 23, 'ERR_INVALID_ARGUMENT'],
  ])('numeric %j with %d digits', (text, digits, expected) => {
    const units = outcome('numeric', text, (fields) => fields.units(0, digits))
    expect(Object.is(units, expected)).toBe(true)
  })

  const two = (max: number): fc.Arbitrary<string> => fc.nat({ max }).map((n) => String(n).padStart(2, '0'))
  const fraction = fc.oneof(fc.constant(''), fc.stringMatching(/^\.\d{0,7}$/))
  const tail = fc.constantFrom('', '', '+00', '+00', ' BC', '+00 BC', '+05:30', 'Z', 'x')
  const moment = fc
    .tuple(fc.constantFrom('2026', '1970', '2000', '1900', '0099', '0001', '0000', '9999', '12026', '294276'), two(13))
    .chain(([year, month]) =>
      fc
        .tuple(two(32), fc.constantFrom(' ', 'T'), two(24), two(60), two(60), fraction, tail)
        .map(([day, gap, hour, minute, second, part, end]) => {
          return `${year}-${month}-${day}${gap}${hour}:${minute}:${second}${part}${end}`
        }),
    )
  const special = fc.constantFrom('infinity', '-infinity', '\\N', '', '2026-11-23', '2026-1-1', '2026-11-23 12:00')
  const damaged = fc
    .tuple(moment, fc.nat(), fc.constantFrom(...'09-: .x+'))
    .map(([text, at, byte]) => text.slice(0, at % text.length) + byte + text.slice((at % text.length) + 1))

  test.each(['timestamp', 'timestamptz', 'date'] as const)('%s: ms() is the instant, or refused if finer', (type) => {
    fc.assert(
      fc.property(fc.oneof(moment, moment, special, damaged), (text) => {
        const value = valueOf(type, text)
        const exact = typeof value === 'string' && !/\.\d{3}0*[1-9]/.test(value)
        expect(outcome(type, text, (fields) => fields.ms(0))).toBe(exact ? timestampToMs(value) : REFUSED)
      }),
      { numRuns: 4000 },
    )
  })

  test('ms() is the Date that was written, wherever the days change', () => {
    const instants = fc.array(fc.integer({ min: Date.UTC(-4713, 10, 24), max: 8.64e15 }), { minLength: 1 })
    fc.assert(
      fc.property(instants, (times) => {
        const seen: number[][] = []
        const { bytes } = writeSlice((slice) => {
          const table = slice.table('t', [
            ['plain', 'timestamp'],
            ['zoned', 'timestamptz'],
          ])
          for (const time of times) table.row(new Date(time), new Date(time))
        })
        const parser = new SliceParser({ fields: () => (row) => void seen.push([row.ms(0), row.ms(1)]) })
        parser.push(bytes)
        parser.end()
        expect(seen).toEqual(times.map((time) => [time, time]))
      }),
    )
  })

  test('bool() and isNull()', () => {
    const columns: Column[] = ['a', 'b', 'c'].map((name) => [name, 'bool'])
    const get = (row: RowFields): unknown => [row.bool(0), row.bool(1), row.isNull(2), row.isNull(0), row.value(2)]
    expect(of(columns, 't\tf\t\\N', get)).toEqual([true, false, true, false, null])
    for (const text of ['true', 'x', '', '\\N']) expect(outcome('bool', text, (row) => row.bool(0))).toBe(REFUSED)
  })

  test('text() and value() are what a row of values holds, the same text row after row too', () => {
    const any = fc.string({
      unit: fc.constantFrom('a', 'b', 'é', '\\\\', '\\t', '\\q', '\u{1f600}', ' '),
      maxLength: 4,
    })
    fc.assert(
      fc.property(fc.array(any), (texts) => {
        const good = texts.filter((text) => valueOf('text', text) !== undefined)
        const seen: unknown[] = []
        const decoder = new RowDecoder('t', [['c', 'text']])
        const lines = good.map((text) => `${text}\n`).join('')
        decoder.decodeFields(Buffer.from(lines), (row) => seen.push([row.text(0), row.value(0)]))
        expect(seen).toEqual(good.map((text) => [valueOf('text', text), valueOf('text', text)]))
        for (const text of texts.filter((one) => !good.includes(one)))
          expect(outcome('text', text, (row) => row.text(0))).toBe(REFUSED)
      }),
    )
    // Texts whose characters are the bytes of the one after them.
    for (const lines of ['\u00c3\u00a9\n\u00e9\n', '\\\\t\n\\t\n']) {
      const seen: string[] = []
      new RowDecoder('t', [['c', 'text']]).decodeFields(Buffer.from(lines), (row) => seen.push(row.text(0)))
      expect(seen).toEqual(lines.split('\n', 2).map((text) => valueOf('text', text)))
    }
    for (const text of ['2026-11-23', '1.50'])
      expect(outcome(text.length > 4 ? 'date' : 'numeric', text, (row) => row.text(0))).toBe(text)
  })

  test('a getter for another type or column is told', () => {
    const columns: Column[] = [['id', 'int4']]
    const wrong: ((row: RowFields) => unknown)[] = [
      (row) => row.units(0, 2),
      (row) => row.ms(0),
      (row) => row.bool(0),
      (row) => row.text(0),
      ...[1, -1, 0.5].flatMap((column) => [
        (row: RowFields) => row.integer(column),
        (row: RowFields) => row.text(column),
        (row: RowFields) => row.value(column),
        (row: RowFields) => row.isNull(column),
      ]),
    ]
    for (const get of wrong) {
      expect(() => of(columns, '1', get)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', table: 't' }))
    }
  })
})

describe('a slice that is read by fields', () => {
  /** A stream with right checksums and these rows. */
  function slice(rows: string): Buffer {
    const columns = [
      ['id', 'int4'],
      ['note', 'text'],
    ]
    return new SliceForge().header().table(columns).frame(3, rows).json(4, { rows: 1 }).bytes()
  }

  function read(bytes: Buffer, onFields: (row: RowFields) => void): unknown {
    const parser = new SliceParser({ fields: () => onFields })
    try {
      parser.push(bytes)
      return undefined
    } catch (error) {
      return error
    }
  }

  test.each([
    ['x\ta\n', 'column "id"', 'no int4'],
    ['2147483648\ta\n', 'column "id"', 'no int4'],
    ['1\t\\q\n', 'column "note"', 'no text'],
    ['1\n', 'column "id"', 'fields are missing'],
    ['1\ta\tb\n', 'column "note"', 'too many'],
    ['1\t\u00ff\n', 'rows from 1 on', 'not UTF-8'],
  ])('%j is damage, also if the handler catches it', (rows, place, problem) => {
    const bytes = slice(rows).includes(0xc3) ? undefined : slice(rows)
    const stream =
      bytes ??
      new SliceForge()
        .header()
        .table([
          ['id', 'int4'],
          ['note', 'text'],
        ])
        .frame(3, Buffer.from(rows, 'latin1'))
        .bytes()
    const ask = (row: RowFields): unknown => [row.integer(0), row.text(1)]
    const careless = (row: RowFields): void => {
      try {
        ask(row)
      } catch {
        // Goes on with the next row.
      }
    }
    for (const handler of [ask, careless]) {
      const error = read(stream, handler)
      expect(error).toMatchObject({ code: 'ERR_SLICE_CORRUPT', cause: { code: 'ERR_INVALID_VALUE' } })
      expect((error as Error).message).toContain(place)
      expect((error as Error).message).toContain(problem)
    }
  })

  test('what a handler throws, and what it asks for in vain, is its own', () => {
    const own = new Error('own')
    const fail = (): never => {
      throw own
    }
    expect(read(slice('1\ta\n'), fail)).toBe(own)
    expect(read(slice('\\N\ta\n'), (row) => row.integer(0))).toMatchObject({ code: 'ERR_INVALID_VALUE', row: 1 })
    expect(read(slice('1\ta\n'), (row) => row.units(0, 2))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('a field that nobody asks for is not looked at', () => {
    const seen: unknown[] = []
    expect(read(slice('x\ta\n'), (row) => seen.push(row.text(1)))).toBeUndefined()
    expect(seen).toEqual(['a'])
  })
})

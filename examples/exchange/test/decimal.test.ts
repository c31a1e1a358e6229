import fc from 'fast-check'
import { formatDecimal, isZeroDecimal, parseDecimal, parseOptionalDecimal, powerOfTen } from '../decimal'
import { refusal } from './helpers'

const MAX = Number.MAX_SAFE_INTEGER

describe('parseDecimal', () => {
  it.each([
    ['0', 6, 0],
    ['1.1', 2, 110],
    ['1.10', 2, 110],
    ['1.100000000000', 2, 110],
    ['0.0001', 4, 1],
    ['-3.5', 4, -35_000],
    ['007', 0, 7],
    ['9007199254740991', 0, MAX],
    ['9007199254.740991', 6, MAX],
    ['-9007199254.740991', 6, -MAX],
  ])('reads %s with %d digits', (text, digits, units) => {
    expect(parseDecimal(text, digits, 'x')).toBe(units)
  })

  it('reads -0 as plain zero', () => {
    expect(Object.is(parseDecimal('-0', 2, 'x'), 0)).toBe(true)
    expect(Object.is(parseDecimal('-0.000', 2, 'x'), 0)).toBe(true)
  })

  it.each([
    [
      '',
      '.',
      '-',
      '-.',
      '1.',
      '.5',
      '-.5',
      '+1',
      '1,5',
      '1e3',
      '1e999',
      '0x10',
      'NaN',
      'Infinity',
      ' 1',
      '1 ',
      '1_000',
    ],
    ['1.2.3', '--1', '1-', '１', '1\n', '1\0', '٣', '9'.repeat(41), '1'.repeat(10_000), '0.' + '0'.repeat(10_000)],
    [undefined, null, 5, 5n, {}, ['1'], true],
  ])('refuses what is not a decimal', (...values: unknown[]) => {
    for (const value of values)
      expect(refusal(() => parseDecimal(value, 6, 'price'))).toBe('INVALID_ARGUMENT invalid price')
  })

  it('refuses what would have to be rounded', () => {
    expect(refusal(() => parseDecimal('1.001', 2, 'price'))).toBe('INVALID_ARGUMENT invalid price precision')
    expect(refusal(() => parseDecimal('-0.00001', 4, 'price'))).toBe('INVALID_ARGUMENT invalid price precision')
  })

  it('refuses what is beyond the exact range', () => {
    for (const text of ['9007199254740992', '9007199254740993', '9'.repeat(40), '-9007199254740992']) {
      expect(refusal(() => parseDecimal(text, 0, 'amount'))).toBe('INVALID_ARGUMENT amount out of range')
    }
    expect(refusal(() => parseDecimal('9007199255', 6, 'amount'))).toBe('INVALID_ARGUMENT amount out of range')
  })

  it('agrees with bigint arithmetic, for every text that bigint arithmetic can read', () => {
    const text = fc.stringMatching(/^-?[0-9]{1,18}(\.[0-9]{1,9})?$/)
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 8 }), (value, digits) => {
        const [whole = '', fraction = ''] = value.replace('-', '').split('.')
        const exact = BigInt(whole + fraction.padEnd(digits, '0').slice(0, digits))
        const rounded = /[1-9]/.test(fraction.slice(digits))
        if (rounded || exact > BigInt(MAX)) refusal(() => parseDecimal(value, digits, 'x'))
        else expect(BigInt(parseDecimal(value, digits, 'x'))).toBe(value.startsWith('-') ? -exact : exact)
      }),
    )
  })
})

describe('formatDecimal', () => {
  it.each([
    [110, 2, '1.10'],
    [100_000, 4, '10.0000'],
    [0, 6, '0.000000'],
    [1, 6, '0.000001'],
    [-5, 2, '-0.05'],
    [7, 0, '7'],
    [5, 3, '0.005'],
    [MAX, 6, '9007199254.740991'],
    [MAX, 4, '900719925474.0991'],
    [MAX, 2, '90071992547409.91'],
  ])('writes %d with %d digits as %s', (units, digits, text) => {
    expect(formatDecimal(units, digits)).toBe(text)
  })

  it('is read back as the same number, over the whole range', () => {
    const units = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: MAX - 1000, max: MAX }), fc.nat())
    fc.assert(
      fc.property(units, fc.integer({ min: 0, max: 8 }), (value, digits) => {
        const text = formatDecimal(value, digits)
        expect(text).toMatch(digits === 0 ? /^-?\d+$/ : new RegExp(`^-?\\d+\\.\\d{${digits}}$`))
        expect(parseDecimal(text, digits, 'x') === value).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the optional forms', () => {
  it('take nothing for zero', () => {
    expect(parseOptionalDecimal(undefined, 2, 'x')).toBe(0)
    expect(parseOptionalDecimal('', 2, 'x')).toBe(0)
    expect(parseOptionalDecimal('2', 2, 'x')).toBe(200)
  })

  it('tell zero from other fees at any precision', () => {
    for (const zero of [undefined, '', '0', '0.0', '-0', '0.00000000000']) expect(isZeroDecimal(zero, 'fee')).toBe(true)
    for (const other of ['1', '0.001', '-0.0000001']) expect(isZeroDecimal(other, 'fee')).toBe(false)
    for (const none of ['NaN', '0e0', ' ', 0, null, '0'.repeat(41)]) {
      expect(refusal(() => isZeroDecimal(none, 'fee'))).toBe('INVALID_ARGUMENT invalid fee')
    }
  })
})

it('powers of ten end where they would stop being exact', () => {
  expect(powerOfTen(15)).toBe(1_000_000_000_000_000)
  expect(() => powerOfTen(16)).toThrow(RangeError)
  expect(() => powerOfTen(-1)).toThrow(RangeError)
})

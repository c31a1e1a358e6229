import { invalid } from './errors'

/**
 * Fixed-point decimals: a value is a whole number of units of 10^-digits, held in a plain JavaScript number. Whole
 * numbers up to 2^53 - 1 are exact there, small ones need no memory of their own, and arithmetic on them is what the
 * processor does; a bigint would be an object of 24 bytes or more for each of the millions of values in the books, and
 * several times slower. Exactness rests on two rules: an amount (4 digits) times a price (2 digits) is a whole number of
 * quote units (6 digits), so nothing is ever rounded, and `UNITS_MAX` bounds what may come in, so nothing ever leaves
 * the exact range.
 */

/**
 * Upper bound of the supply of one asset, and of the value (amount times price) of one order, in units: 4 billion whole
 * coins at 6 digits. Every balance, every sum of balances and every total of a price level is part of one supply. What an
 * ask has earned is at most one supply as taker plus one order value as maker, hence less than 2^53 as well.
 */
export const UNITS_MAX = 4e15

/** Longest text that is looked at, in UTF-16 units. No value within range needs more. */
const TEXT_LENGTH_MAX = 40
/** The largest value that can take one more decimal digit and may still be a safe integer, which the end decides. */
const APPEND_MAX = Math.floor(Number.MAX_SAFE_INTEGER / 10)

const MINUS = 45
const POINT = 46
const ZERO = 48

/**
 * Parses a decimal such as `12.5` or `-3` into units of 10^-digits. The grammar is strict: an optional minus, digits,
 * and optionally a point followed by digits; no exponent, no plus, no spaces, at most 40 characters. Zeros beyond
 * `digits` are accepted, other digits there are an error, since the value would have to be rounded.
 *
 * Throws INVALID_ARGUMENT naming `what`, never the text itself, which may be hostile.
 */
export function parseDecimal(text: unknown, digits: number, what: string): number {
  if (typeof text !== 'string' || text.length === 0 || text.length > TEXT_LENGTH_MAX) throw invalid(`invalid ${what}`)
  const start = text.charCodeAt(0) === MINUS ? 1 : 0
  let point = -1
  let units = 0
  let exact = true
  let inRange = true
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === POINT && point < 0 && i > start && i < text.length - 1) {
      point = i
      continue
    }
    const digit = code - ZERO
    if (digit < 0 || digit > 9) throw invalid(`invalid ${what}`)
    if (point >= 0 && i - point > digits) exact &&= digit === 0
    else if (units > APPEND_MAX) inRange = false
    else units = units * 10 + digit
  }
  if (start === text.length) throw invalid(`invalid ${what}`)
  if (!exact) throw invalid(`invalid ${what} precision`)
  const places = point < 0 ? 0 : Math.min(digits, text.length - point - 1)
  units *= powerOfTen(digits - places)
  if (!inRange || units > Number.MAX_SAFE_INTEGER) throw invalid(`${what} out of range`)
  return start === 1 && units !== 0 ? -units : units
}

/** Like `parseDecimal`, where an absent or empty text means zero, as in protobuf. */
export function parseOptionalDecimal(text: unknown, digits: number, what: string): number {
  return text === undefined || text === '' ? 0 : parseDecimal(text, digits, what)
}

/** Whether a text is a decimal of any precision (up to 40 characters) whose value is zero. Empty means zero. */
export function isZeroDecimal(text: unknown, what: string): boolean {
  if (text === undefined || text === '') return true
  if (typeof text !== 'string' || text.length > TEXT_LENGTH_MAX || !/^-?\d+(\.\d+)?$/.test(text)) {
    throw invalid(`invalid ${what}`)
  }
  return !/[1-9]/.test(text)
}

/** Fractions of two and of four digits as text. Looking them up is what makes a million rows a second possible. */
const TWO_DIGITS = paddedNumbers(2)
const FOUR_DIGITS = paddedNumbers(4)

/** Writes units of 10^-digits with exactly that many digits after the point: (110, 2) gives `1.10`. */
export function formatDecimal(units: number, digits: number): string {
  if (units < 0) return '-' + formatDecimal(-units, digits)
  if (digits === 0) return '' + units
  // The floor of the rounded quotient is exact: below 2^53 a quotient is never rounded up to a whole number.
  const scale = powerOfTen(digits)
  const whole = Math.floor(units / scale)
  return whole + '.' + formatFraction(units - whole * scale, digits)
}

function formatFraction(fraction: number, digits: number): string {
  if (digits === 4) return FOUR_DIGITS[fraction]
  if (digits === 2) return TWO_DIGITS[fraction]
  if (digits === 6) {
    const high = Math.floor(fraction / 100)
    return FOUR_DIGITS[high] + TWO_DIGITS[fraction - high * 100]
  }
  return String(fraction).padStart(digits, '0')
}

/** 10^exponent, exact for 0 to 15. Throws a RangeError beyond. */
export function powerOfTen(exponent: number): number {
  const power = POWERS_OF_TEN[exponent]
  if (power === undefined) throw new RangeError(`10^${exponent} is not among the exact powers of ten, 10^0 to 10^15`)
  return power
}

const POWERS_OF_TEN: readonly number[] = Array.from({ length: 16 }, (_, exponent) => Number(`1e${exponent}`))

function paddedNumbers(digits: number): readonly string[] {
  return Array.from({ length: 10 ** digits }, (_, value) => String(value).padStart(digits, '0'))
}

import type { ColumnEncoder } from './encode'
import type { RowBuffer } from './row-buffer'

/** Integers and floating point numbers as decimal digits, without making strings of the usual ones. */

const INT8_MIN = -(2n ** 63n)
const INT8_MAX = 2n ** 63n - 1n
/** A sign, 19 digits, a tab. */
const INTEGER_BYTES_MAX = 21
const TAB = 9
const MINUS = 45
const ZERO = 48

export function encodeInt2(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  encodeSmall(out, value, column, 32_767)
}

export function encodeInt4(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  encodeSmall(out, value, column, 2_147_483_647)
}

function encodeSmall(out: RowBuffer, value: unknown, column: ColumnEncoder, max: number): void {
  if (typeof value !== 'number') column.refuseType(value, 'a number')
  if (!Number.isInteger(value)) column.refuse('is not a whole number')
  if (value > max || value < -max - 1) column.refuse(`is out of the range ${-max - 1} to ${max}`)
  if (!out.reserve(INTEGER_BYTES_MAX)) column.refuseRoom()
  out.pos = writeInteger(out.bytes, out.pos, value)
}

export function encodeInt8(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (!out.reserve(INTEGER_BYTES_MAX)) column.refuseRoom()
  if (typeof value === 'bigint') {
    // Rounding never makes an unsafe integer safe, so a safe result is exact.
    const number = Number(value)
    if (number >= Number.MIN_SAFE_INTEGER && number <= Number.MAX_SAFE_INTEGER) {
      out.pos = writeInteger(out.bytes, out.pos, number)
    } else {
      encodeUnsafe(out, value, column)
    }
  } else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) column.refuse('is not a whole number in the safe range: give a bigint')
    out.pos = writeInteger(out.bytes, out.pos, value)
  } else {
    column.refuseType(value, 'a bigint or a number')
  }
}

function encodeUnsafe(out: RowBuffer, value: bigint, column: ColumnEncoder): void {
  if (value < INT8_MIN || value > INT8_MAX) column.refuse(`is out of the range ${INT8_MIN} to ${INT8_MAX}`)
  if (column.asNumber)
    column.refuse("is beyond the safe range of the column's { as: 'number' }: declare { as: 'bigint' }")
  writeAscii(out, value.toString(), column)
}

export function encodeFloat4(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (typeof value !== 'number') column.refuseType(value, 'a number')
  const rounded = Math.fround(value)
  if (Math.abs(rounded) === Infinity && Math.abs(value) !== Infinity) column.refuse('is too large for float4')
  if (rounded === 0 && value !== 0) column.refuse('is too small for float4: PostgreSQL does not round it to zero')
  encodeFloat8(out, rounded, column)
}

export function encodeFloat8(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (typeof value !== 'number') column.refuseType(value, 'a number')
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    if (!out.reserve(INTEGER_BYTES_MAX)) column.refuseRoom()
    out.pos = writeInteger(out.bytes, out.pos, value)
  } else {
    // The shortest text that reads back as the same number; NaN and Infinity are PostgreSQL's own words.
    writeAscii(out, Object.is(value, -0) ? '-0' : String(value), column)
  }
}

/** Writes ASCII text that needs no escaping, and a tab. */
export function writeAscii(out: RowBuffer, text: string, column: ColumnEncoder): void {
  if (!out.reserve(text.length + 1)) column.refuseRoom()
  const bytes = out.bytes
  let pos = out.pos
  for (let i = 0; i < text.length; i++) bytes[pos++] = text.charCodeAt(i)
  bytes[pos++] = TAB
  out.pos = pos
}

/** Writes a safe integer and a tab; returns the position after them. */
function writeInteger(bytes: Uint8Array, pos: number, value: number): number {
  let rest = value
  let at = pos
  if (rest < 0) {
    bytes[at++] = MINUS
    rest = -rest
  }
  // Halves of at most nine digits fit 31 bits, where division is cheap.
  if (rest < 1e9) {
    at = writeDigits(bytes, at, rest, digitCount(rest))
  } else {
    const high = Math.floor(rest / 1e9)
    at = writeDigits(bytes, at, high, digitCount(high))
    at = writeDigits(bytes, at, rest - high * 1e9, 9)
  }
  bytes[at] = TAB
  return at + 1
}

function digitCount(value: number): number {
  if (value < 1e3) return value < 10 ? 1 : value < 100 ? 2 : 3
  if (value < 1e6) return value < 1e4 ? 4 : value < 1e5 ? 5 : 6
  return value < 1e7 ? 7 : value < 1e8 ? 8 : 9
}

/** Writes exactly `count` digits, with leading zeros, and returns the position after them. */
export function writeDigits(bytes: Uint8Array, pos: number, value: number, count: number): number {
  let rest = value | 0
  for (let at = pos + count - 1; at >= pos; at--) {
    const tenth = (rest / 10) | 0
    bytes[at] = ZERO + rest - tenth * 10
    rest = tenth
  }
  return pos + count
}

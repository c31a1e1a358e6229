import type { ColumnEncoder } from './encode'
import { writeAscii } from './encode-integer'
import type { RowBuffer } from './row-buffer'

/**
 * numeric: an optional sign, digits, and optionally a point and digits. Nothing is rounded. Texts of one number are
 * written in one form, PostgreSQL's own: no plus, no leading zeros, no minus before zero. Zeros after the point stay as
 * they are, up to the column's scale; beyond it they are left out and any other digit is refused.
 */
export function encodeNumeric(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (typeof value === 'string') encodeDecimal(out, value, column)
  else if (typeof value === 'bigint') encodeDecimal(out, value.toString(), column)
  else if (typeof value === 'number') encodeNumber(out, value, column)
  else column.refuseType(value, 'a string of digits, a bigint or a number')
}

const TAB = 9
const PLUS = 43
const MINUS = 45
const POINT = 46
const ZERO = 48

function encodeDecimal(out: RowBuffer, text: string, column: ColumnEncoder): void {
  const length = text.length
  if (!out.reserve(length + 1)) column.refuseRoom()
  const bytes = out.bytes
  const start = out.pos
  let pos = start
  let i = 0
  const sign = length > 0 ? text.charCodeAt(0) : 0
  if (sign === MINUS || sign === PLUS) i = 1
  if (sign === MINUS) bytes[pos++] = MINUS
  const firstDigit = i
  // Zero as soon as any digit is not.
  let nonZero = 0
  for (; i < length; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (digit < 0 || digit > 9) break
    if (nonZero === 0 && digit === 0) continue
    nonZero = 1
    bytes[pos++] = ZERO + digit
  }
  if (i === firstDigit) return encodeWord(out, text, column)
  const integerDigits = pos - start - (sign === MINUS ? 1 : 0)
  if (integerDigits > column.integerDigits) refuseInteger(column, integerDigits)
  if (integerDigits === 0) bytes[pos++] = ZERO
  if (i < length) {
    if (text.charCodeAt(i) !== POINT || i + 1 === length) refuseGrammar(column)
    i++
    const kept = Math.min(length, i + column.fractionDigits)
    if (kept > i) bytes[pos++] = POINT
    for (; i < kept; i++) {
      const digit = text.charCodeAt(i) - ZERO
      if (digit < 0 || digit > 9) refuseGrammar(column)
      nonZero |= digit
      bytes[pos++] = ZERO + digit
    }
    if (i < length) checkDropped(text, i, column)
  }
  if (nonZero === 0 && sign === MINUS) pos = dropSign(bytes, start, pos)
  bytes[pos] = TAB
  out.pos = pos + 1
}

/** What is beyond the scale may be zeros, since leaving them out loses nothing. */
function checkDropped(text: string, from: number, column: ColumnEncoder): void {
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (digit < 0 || digit > 9) refuseGrammar(column)
    if (digit !== 0) {
      column.refuse(
        `has more than ${column.fractionDigits} digits after the point: round it yourself or widen the column`,
      )
    }
  }
}

function dropSign(bytes: Uint8Array, start: number, end: number): number {
  bytes.copyWithin(start, start + 1, end)
  return end - 1
}

function encodeWord(out: RowBuffer, text: string, column: ColumnEncoder): void {
  if (text !== 'NaN' && text !== 'Infinity' && text !== '-Infinity') refuseGrammar(column)
  if (text !== 'NaN' && column.bounded) column.refuse(`is ${text}, which numeric with a precision cannot hold`)
  writeAscii(out, text, column)
}

function refuseGrammar(column: ColumnEncoder): never {
  column.refuse("is no decimal: expected digits with an optional sign and point ('-12.50'), without an exponent")
}

function refuseInteger(column: ColumnEncoder, digits: number): never {
  column.refuse(`has ${digits} digits before the point, the column holds ${column.integerDigits}`)
}

/** A number stands for the shortest decimal that reads back as it, as JavaScript prints it. */
function encodeNumber(out: RowBuffer, value: number, column: ColumnEncoder): void {
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER && Math.abs(value) !== Infinity) {
    column.refuse('is a number beyond the safe range and may have been rounded: give a string or a bigint')
  }
  const text = String(value)
  const exponent = text.indexOf('e-')
  encodeDecimal(out, exponent < 0 ? text : withoutExponent(text, exponent), column)
}

/** `-1.5e-7` as `-0.00000015`. Only small numbers come here: large ones have been refused. */
function withoutExponent(text: string, exponent: number): string {
  const sign = text.startsWith('-') ? '-' : ''
  const digits = text.slice(sign.length, exponent).replace('.', '')
  return `${sign}0.${'0'.repeat(Number(text.slice(exponent + 2)) - 1)}${digits}`
}

import { types } from 'node:util'
import type { ColumnEncoder } from './encode'
import { writeAscii } from './encode-integer'
import { FRAME_BYTES_MAX } from './format'
import { jsonProblem, textLeft } from './json'
import type { RowBuffer } from './row-buffer'

/** Text, and what travels as text: UTF-8 with the escapes that PostgreSQL itself writes. */

/** Long text is written in pieces, so that room for the worst case is never asked for all of it at once. */
const PIECE_UNITS = 16 * 1024
/** UTF-8 needs at most three bytes for a UTF-16 unit; an escape needs two. */
const BYTES_PER_UNIT = 3
const TAB = 9
const BACKSLASH = 92

/** The letter after the backslash for each control character that COPY escapes; 0 for the others. */
const ESCAPES = new Uint8Array(32)
for (const [control, letter] of ['\bb', '\tt', '\nn', '\vv', '\ff', '\rr']) {
  ESCAPES[control.charCodeAt(0)] = letter.charCodeAt(0)
}

export function encodeText(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (typeof value !== 'string') column.refuseType(value, 'a string')
  writeText(out, value, column)
}

export function encodeVarchar(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (typeof value !== 'string') column.refuseType(value, 'a string')
  if (value.length > FRAME_BYTES_MAX) column.refuseRoom()
  if (value.length > column.length) checkCodePoints(value, column)
  writeText(out, value, column)
}

function checkCodePoints(value: string, column: ColumnEncoder): void {
  let count = 0
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) >> 10 !== LOW_SURROGATE) count++
  }
  if (count > column.length) column.refuse(`has ${count} characters, the column holds ${column.length}`)
}

const HIGH_SURROGATE = 0xd800 >> 10
const LOW_SURROGATE = 0xdc00 >> 10

function writeText(out: RowBuffer, text: string, column: ColumnEncoder): void {
  // Before anything looks at its characters: a text that was put together of others would be copied for that.
  if (text.length > FRAME_BYTES_MAX) column.refuseRoom()
  let next = 0
  do {
    const end = Math.min(text.length, next + PIECE_UNITS)
    // One unit more than the piece, since a surrogate pair may reach over its end; and the tab.
    if (!out.reserve((end - next + 1) * BYTES_PER_UNIT + 1)) column.refuseRoom()
    next = writePiece(out, text, next, end, column)
  } while (next < text.length)
  out.bytes[out.pos++] = TAB
}

/** Writes the units from `from` to `end`, and the second half of a pair that begins before `end`; returns the next. */
function writePiece(out: RowBuffer, text: string, from: number, end: number, column: ColumnEncoder): number {
  const bytes = out.bytes
  let pos = out.pos
  let i = from
  for (; i < end; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) {
      if (unit < 0x20 || unit === BACKSLASH) {
        if (unit === 0) column.refuse('contains NUL, which PostgreSQL cannot hold in text')
        const letter = unit === BACKSLASH ? BACKSLASH : ESCAPES[unit]
        if (letter !== 0) bytes[pos++] = BACKSLASH
        bytes[pos++] = letter === 0 ? unit : letter
      } else {
        bytes[pos++] = unit
      }
    } else if (unit < 0x800) {
      bytes[pos++] = 0xc0 | (unit >> 6)
      bytes[pos++] = 0x80 | (unit & 0x3f)
    } else if (unit >> 11 !== 0xd800 >> 11) {
      bytes[pos++] = 0xe0 | (unit >> 12)
      bytes[pos++] = 0x80 | ((unit >> 6) & 0x3f)
      bytes[pos++] = 0x80 | (unit & 0x3f)
    } else {
      const point = pairAt(text, i++, column)
      bytes[pos++] = 0xf0 | (point >> 18)
      bytes[pos++] = 0x80 | ((point >> 12) & 0x3f)
      bytes[pos++] = 0x80 | ((point >> 6) & 0x3f)
      bytes[pos++] = 0x80 | (point & 0x3f)
    }
  }
  out.pos = pos
  return i
}

/** The code point of the surrogate pair at `index`. */
function pairAt(text: string, index: number, column: ColumnEncoder): number {
  const high = text.charCodeAt(index)
  const low = index + 1 < text.length ? text.charCodeAt(index + 1) : 0
  if (high >> 10 !== HIGH_SURROGATE || low >> 10 !== LOW_SURROGATE) {
    column.refuse(`contains a lone surrogate at index ${index}, which has no UTF-8 form`)
  }
  return 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff)
}

/** JSON without spaces; the value null is SQL's NULL and never comes here. */
export function encodeJson(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  // Getters and proxies in the value are code of the user's, which must not write rows into the middle of this one.
  const stopAt = out.stopAt
  out.stopAt = -1
  out.readingValue = true
  let text: string
  try {
    // What is far too large is found before a gigabyte of text is made of it.
    if (textLeft(value, FRAME_BYTES_MAX) < 0) column.refuseRoom()
    const problem = jsonProblem(value, { nul: column.base === 'json' })
    if (problem !== undefined) column.refuse(problem)
    text = JSON.stringify(value)
  } finally {
    out.stopAt = stopAt
    out.readingValue = false
  }
  writeText(out, text, column)
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const UUID_LENGTH = 36

export function encodeUuid(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (typeof value !== 'string') column.refuseType(value, 'a string')
  if (value.length !== UUID_LENGTH || !UUID.test(value))
    column.refuse('is no UUID: expected 8-4-4-4-12 hexadecimal digits')
  writeAscii(out, value.toLowerCase(), column)
}

const HEX_DIGITS = Buffer.from('0123456789abcdef')

/** Hexadecimal digits after `\\x`: PostgreSQL's hex form, its backslash escaped for COPY. */
export function encodeBytea(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (!types.isUint8Array(value)) column.refuseType(value, 'a Uint8Array')
  if (!out.reserve(2 * value.length + 4)) column.refuseRoom()
  const bytes = out.bytes
  let pos = out.pos
  bytes[pos++] = BACKSLASH
  bytes[pos++] = BACKSLASH
  bytes[pos++] = 120
  for (let i = 0; i < value.length; i++) {
    const byte = value[i]
    bytes[pos++] = HEX_DIGITS[byte >> 4]
    bytes[pos++] = HEX_DIGITS[byte & 15]
  }
  bytes[pos++] = TAB
  out.pos = pos
}

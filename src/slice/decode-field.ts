import type { BaseType } from './columns'
import { parseDay, parseMoment, plainTimestampToMs } from './time'
import type { JsonValue, ReadValue } from './types'

/** One field of a COPY line, moved from field to field: the bytes stay where they are. */
export class Field {
  bytes: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  /** ASCII without escapes, so that bytes and characters are the same. */
  plain = true
  /** All bytes as one string of as many characters, from which short plain fields are cut; made when the first is. */
  private whole: string | undefined
  private column = 0
  /** The text that each column had last: many columns hold the same one row after row. */
  private readonly lastTexts: string[] = []
  /** The timestamp that was read last, in whichever column: an order's two times are mostly the same. */
  private lastTimestamp = ''

  open(bytes: Buffer): void {
    this.bytes = bytes
    this.whole = undefined
  }

  set(start: number, end: number, plain: boolean, column: number): void {
    this.start = start
    this.end = end
    this.plain = plain
    this.column = column
  }

  /** The field as text, its escapes resolved; undefined for an escape that PostgreSQL does not write. */
  text(): string | undefined {
    if (this.plain) return this.ascii()
    const text = this.bytes.toString('utf8', this.start, this.end)
    return text.includes('\\') ? unescape(text) : text
  }

  /** The field as text if it is plain; else undefined. */
  ascii(): string | undefined {
    if (!this.plain) return undefined
    const last = this.lastTexts[this.column]
    if (last !== undefined && this.is(last)) return last
    return (this.lastTexts[this.column] = this.cut())
  }

  /** Like `ascii`, with the check done only for a text that is not the last timestamp's once more. */
  timestamp(isRight: (text: string) => boolean): string | undefined {
    if (this.plain && this.is(this.lastTimestamp)) return this.lastTimestamp
    const text = this.ascii()
    return text !== undefined && isRight(text) ? (this.lastTimestamp = text) : undefined
  }

  /** Compares from the end, where numbers and times differ first. */
  private is(text: string): boolean {
    const { bytes, start } = this
    let at = this.end - start
    if (at !== text.length) return false
    while (at > 0 && bytes[start + at - 1] === text.charCodeAt(at - 1)) at--
    return at === 0
  }

  private cut(): string {
    // A longer cut would be a view that keeps all of `whole` alive for as long as the value lives.
    if (this.end - this.start < VIEW_LENGTH_MIN) {
      return (this.whole ??= this.bytes.toString('latin1')).slice(this.start, this.end)
    }
    return this.bytes.toString('latin1', this.start, this.end)
  }
}

/** V8 copies substrings that are shorter than this. */
const VIEW_LENGTH_MIN = 13

const UNESCAPED: { readonly [letter: string]: string | undefined } = {
  b: '\b',
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  '\\': '\\',
}

function unescape(text: string): string | undefined {
  let known = true
  const plain = text.replace(/\\([^]?)/gu, (_, letter: string) => {
    const character = UNESCAPED[letter]
    known &&= character !== undefined
    return character ?? ''
  })
  return known ? plain : undefined
}

/** Returns undefined for a field that its type does not allow. */
export type Decode = (field: Field) => ReadValue | undefined

const ZERO = 48
const MINUS = 45
const POINT = 46
const BACKSLASH = 92
const SMALL_X = 120
/** Any number of so many digits is safe. */
const SAFE_DIGITS = 15
const INT8_MIN = -(2n ** 63n)
const INT8_MAX = 2n ** 63n - 1n

function decodeBool({ bytes, start, end }: Field): boolean | undefined {
  if (end - start !== 1) return undefined
  return bytes[start] === 116 ? true : bytes[start] === 102 ? false : undefined
}

/** The digits of a whole number of at most 15 digits, or NaN. */
function smallInteger({ bytes, start, end }: Field): number {
  const negative = bytes[start] === MINUS
  let at = negative ? start + 1 : start
  if (at === end || end - at > SAFE_DIGITS) return NaN
  let number = 0
  for (; at < end; at++) {
    const digit = bytes[at] - ZERO
    if (digit < 0 || digit > 9) return NaN
    number = number * 10 + digit
  }
  return negative && number !== 0 ? -number : number
}

function decodeInt(field: Field, max: number): number | undefined {
  const number = smallInteger(field)
  return number <= max && number >= -max - 1 ? number : undefined
}

function decodeInt8(field: Field): bigint | undefined {
  const number = smallInteger(field)
  if (!Number.isNaN(number)) return BigInt(number)
  const text = field.ascii()
  if (text === undefined || !/^-?\d{1,19}$/.test(text)) return undefined
  const value = BigInt(text)
  return value >= INT8_MIN && value <= INT8_MAX ? value : undefined
}

function decodeInt8AsNumber(field: Field): number | undefined {
  const small = smallInteger(field)
  if (!Number.isNaN(small)) return small
  const value = decodeInt8(field)
  const number = Number(value)
  return value !== undefined && Number.isSafeInteger(number) ? number : undefined
}

const FLOAT = /^-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Infinity)$|^NaN$/

function decodeFloat8(field: Field): number | undefined {
  const text = field.ascii()
  return text !== undefined && FLOAT.test(text) ? Number(text) : undefined
}

function decodeFloat4(field: Field): number | undefined {
  const number = decodeFloat8(field)
  return number === undefined ? undefined : Math.fround(number)
}

function decodeNumeric(field: Field): string | undefined {
  if (isDecimal(field)) return field.ascii()
  const text = field.ascii()
  return text === 'NaN' || text === 'Infinity' || text === '-Infinity' ? text : undefined
}

function isDecimal({ bytes, start, end }: Field): boolean {
  let at = bytes[start] === MINUS ? start + 1 : start
  let point = -1
  const first = at
  for (; at < end; at++) {
    const byte = bytes[at]
    if (byte >= ZERO && byte <= 57) continue
    if (byte !== POINT || point >= 0 || at === first) return false
    point = at
  }
  return at > first && point !== end - 1
}

function decodeDate(field: Field): string | undefined {
  const text = field.ascii()
  return text !== undefined && (isInfinity(text) || parseDay(text) !== undefined) ? text : undefined
}

function isTimestamp(text: string): boolean {
  return isInfinity(text) || !Number.isNaN(plainTimestampToMs(text)) || isMoment(text, false)
}

function isTimestamptz(text: string): boolean {
  return isInfinity(text) || isMoment(text, true)
}

function isMoment(text: string, zoned: boolean): boolean {
  const moment = parseMoment(text)
  return moment !== undefined && (moment.offsetMinutes !== undefined) === zoned
}

function decodeTimestamptz(field: Field): string | undefined {
  const text = field.ascii()
  return text !== undefined && isTimestamptz(text) ? text : undefined
}

function isInfinity(text: string): boolean {
  return text === 'infinity' || text === '-infinity'
}

/** One for all: there is nothing in it that anybody could change. */
const NO_BYTES = new Uint8Array(0)

function decodeBytea(field: Field): Uint8Array | undefined {
  const { bytes, start, end } = field
  const digits = end - start - 3
  const prefixed = bytes[start] === BACKSLASH && bytes[start + 1] === BACKSLASH && bytes[start + 2] === SMALL_X
  if (digits < 0 || digits % 2 !== 0 || !prefixed) return undefined
  if (digits === 0) return NO_BYTES
  // A buffer of its own: one from Node's pool would keep its neighbours alive.
  const value = new Uint8Array(digits / 2)
  const written = Buffer.from(value.buffer).write(bytes.toString('latin1', start + 3, end), 'hex')
  return written === value.length ? value : undefined
}

function decodeJson(field: Field): JsonValue | undefined {
  const text = field.text()
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}

function decodeUuid(field: Field): string | undefined {
  const text = field.ascii()
  return text !== undefined && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text : undefined
}

export const DECODERS: { readonly [T in BaseType | 'int8AsNumber']: Decode } = {
  bool: decodeBool,
  int2: (field) => decodeInt(field, 32_767),
  int4: (field) => decodeInt(field, 2_147_483_647),
  int8: decodeInt8,
  int8AsNumber: decodeInt8AsNumber,
  float4: decodeFloat4,
  float8: decodeFloat8,
  text: (field) => field.text(),
  varchar: (field) => field.text(),
  numeric: decodeNumeric,
  timestamp: (field) => field.timestamp(isTimestamp),
  timestamptz: decodeTimestamptz,
  date: decodeDate,
  bytea: decodeBytea,
  json: decodeJson,
  jsonb: decodeJson,
  uuid: decodeUuid,
}

import { ForksnapError } from '../errors'
import { type ColumnSpec, quote } from './columns'
import { type Decode, Field } from './decode-field'
import { timestampToMs } from './time'
import { plainMs } from './time-bytes'
import type { ReadValue, RowFields } from './types'

const TAB = 9
const LINE_FEED = 10
const PLUS = 43
const MINUS = 45
const POINT = 46
const ZERO = 48
const NINE = 57
const BACKSLASH = 92
const CAPITAL_N = 78
const LETTER_F = 102
const LETTER_T = 116
/** Any number of so many digits is safe. */
const SAFE_DIGITS = 15
/** Longer texts are not compared with the one before. */
const MEMO_LENGTH_MAX = 64

/** What a column can be asked for beside text and its value. */
const Kind = { other: 0, integer: 1, numeric: 2, timestamp: 3, timestamptz: 4, bool: 5, date: 6 } as const

const KINDS: { readonly [base: string]: number | undefined } = {
  ...{ int2: Kind.integer, int4: Kind.integer, int8: Kind.integer },
  ...{ numeric: Kind.numeric, bool: Kind.bool },
  ...{ timestamp: Kind.timestamp, timestamptz: Kind.timestamptz, date: Kind.date },
}

const INTEGER_MAX: { readonly [base: string]: number | undefined } = { int2: 32_767, int4: 2_147_483_647 }

/** 10^0 to 10^22, which are exact. */
const POWERS_OF_TEN: readonly number[] = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))

/**
 * The fields of one COPY line after the other. Only where they begin is found for every line; what a field holds is read
 * from its bytes when it is asked for. Each getter has a quick way for the texts that nearly all fields have, and leaves
 * every other to the decoder of the column's type, which decides what is damage.
 */
export class LineFields implements RowFields {
  /** Number of the row, counted from 1, for messages. */
  row = 0
  /** What was found wrong with the row's bytes, also if the handler has caught it. */
  damage: ForksnapError | undefined
  private bytes: Buffer = Buffer.alloc(0)
  /** Where each field begins; one more is where the next line does. A delimiter stands before each but the first. */
  private readonly bounds: Int32Array
  private readonly kinds: Uint8Array
  private readonly maxima: Float64Array
  private readonly field = new Field()
  /** The text that each column had last: many columns hold the same one row after row. */
  private readonly lastTexts: string[]

  constructor(
    readonly table: string,
    private readonly specs: readonly ColumnSpec[],
    private readonly decoders: readonly Decode[],
  ) {
    this.bounds = new Int32Array(specs.length + 1)
    this.kinds = Uint8Array.from(specs, ({ base }) => KINDS[base] ?? Kind.other)
    this.maxima = Float64Array.from(specs, ({ base }) => INTEGER_MAX[base] ?? Number.MAX_SAFE_INTEGER)
    this.lastTexts = specs.map(() => '')
  }

  get length(): number {
    return this.specs.length
  }

  open(bytes: Buffer): void {
    this.bytes = bytes
    this.field.open(bytes)
  }

  /** Finds the fields of the line that begins there; returns where the next one does. */
  scan(start: number): number {
    const { bytes, bounds } = this
    const { length } = bytes
    const last = bounds.length - 2
    let column = 0
    bounds[0] = start
    for (let at = start; at < length; at++) {
      const byte = bytes[at]
      if (byte > LINE_FEED) continue
      if (byte === TAB) {
        if (column === last) this.refuse(column, 'is followed by too many fields')
        bounds[++column] = at + 1
      } else if (byte === LINE_FEED) {
        if (column !== last) this.refuse(column, 'is the last one: fields are missing')
        bounds[column + 1] = at + 1
        return at + 1
      }
    }
    return this.refuse(column, 'is not ended by a line feed')
  }

  isNull(column: number): boolean {
    const start = this.start(column)
    const { bytes, bounds } = this
    return bounds[column + 1] - start === 3 && bytes[start] === BACKSLASH && bytes[start + 1] === CAPITAL_N
  }

  integer(column: number): number {
    if (this.kinds[column] !== Kind.integer) this.misuse(column, 'integer')
    const { bytes } = this
    const end = this.bounds[column + 1] - 1
    const start = this.bounds[column]
    const negative = bytes[start] === MINUS
    let at = negative ? start + 1 : start
    if (at === end || end - at > SAFE_DIGITS) return this.anyInteger(column)
    let number = 0
    for (; at < end; at++) {
      const byte = bytes[at]
      if (byte < ZERO || byte > NINE) return this.anyInteger(column)
      number = number * 10 + (byte - ZERO)
    }
    if (number > this.maxima[column]) return this.anyInteger(column)
    return negative && number !== 0 ? -number : number
  }

  units(column: number, digits: number): number {
    if (this.kinds[column] !== Kind.numeric) this.misuse(column, 'units')
    const { bytes } = this
    const end = this.bounds[column + 1] - 1
    const start = this.bounds[column]
    const negative = bytes[start] === MINUS
    const first = negative ? start + 1 : start
    if (end - first > SAFE_DIGITS + 1) return this.anyUnits(column, digits)
    let at = first
    let units = 0
    let byte = 0
    for (; at < end; at++) {
      byte = bytes[at]
      if (byte < ZERO || byte > NINE) break
      units = units * 10 + (byte - ZERO)
    }
    if (at === first) return this.anyUnits(column, digits)
    let places = 0
    if (at < end) {
      if (byte !== POINT || at === end - 1) return this.anyUnits(column, digits)
      for (at++; at < end; at++) {
        byte = bytes[at]
        if (byte < ZERO || byte > NINE) return this.anyUnits(column, digits)
        if (places < digits) {
          units = units * 10 + (byte - ZERO)
          places++
        } else if (byte !== ZERO) return this.anyUnits(column, digits)
      }
    }
    units *= POWERS_OF_TEN[digits - places]
    // Written so that the NaN of digits that are no place fails as well.
    if (!(units <= Number.MAX_SAFE_INTEGER)) return this.anyUnits(column, digits)
    return negative && units !== 0 ? -units : units
  }

  ms(column: number): number {
    const kind = this.kinds[column]
    const { bytes } = this
    const start = this.bounds[column]
    let end = this.bounds[column + 1] - 1
    if (kind === Kind.timestamptz) {
      if (bytes[end - 3] !== PLUS || bytes[end - 2] !== ZERO || bytes[end - 1] !== ZERO) return this.anyMs(column)
      end -= 3
    } else if (kind !== Kind.timestamp) return this.anyMs(column)
    const ms = plainMs(bytes, start, end)
    return Number.isNaN(ms) ? this.anyMs(column) : ms
  }

  bool(column: number): boolean {
    if (this.kinds[column] !== Kind.bool) this.misuse(column, 'bool')
    const start = this.bounds[column]
    if (this.bounds[column + 1] - start === 2) {
      const byte = this.bytes[start]
      if (byte === LETTER_T || byte === LETTER_F) return byte === LETTER_T
    }
    return this.given(column) as boolean
  }

  text(column: number): string {
    const start = this.start(column)
    const last = this.lastTexts[column]
    if (last !== '' && this.is(last, start, this.bounds[column + 1] - 1)) return last
    const value = this.given(column)
    if (typeof value !== 'string') this.misuse(column, 'text')
    // Only what is ASCII without escapes can be compared with bytes, and only what is short is likely to come again.
    this.lastTexts[column] = value.length <= MEMO_LENGTH_MAX && this.field.plain ? value : ''
    return value
  }

  value(column: number): ReadValue {
    if (this.isNull(column)) return null
    const value = this.decoders[column](this.fieldOf(column))
    if (value === undefined) this.refuse(column, `is no ${this.specs[column].type} in COPY text form`)
    return value
  }

  /** Fails the line: what is wrong is its bytes. */
  private refuse(column: number, problem: string): never {
    throw (this.damage = this.error('ERR_INVALID_VALUE', column, `the field ${problem}`))
  }

  /** Fails the caller: it asks for what this column, or this value of it, is not. */
  private misuse(column: number, getter: string): never {
    const type = this.specs[column]?.type
    if (type === undefined) {
      const message = `Table ${quote(this.table)} has the columns 0 to ${this.length - 1}, there is no ${column}`
      throw new ForksnapError('ERR_INVALID_ARGUMENT', message, { table: this.table })
    }
    throw this.error('ERR_INVALID_ARGUMENT', column, `${getter}() does not give a ${type}; value() gives any`)
  }

  private error(code: 'ERR_INVALID_VALUE' | 'ERR_INVALID_ARGUMENT', index: number, problem: string): ForksnapError {
    const { table, row } = this
    const column = this.specs[index].name
    const message = `Table ${quote(table)}, row ${row}, column ${quote(column)}: ${problem}`
    return new ForksnapError(code, message, { table, row, column })
  }

  private start(column: number): number {
    return this.kinds[column] === undefined ? this.misuse(column, '') : this.bounds[column]
  }

  private fieldOf(column: number): Field {
    const { bytes } = this
    const start = this.bounds[column]
    const end = this.bounds[column + 1] - 1
    let plain = true
    for (let at = start; at < end && plain; at++) plain = bytes[at] < 0x80 && bytes[at] !== BACKSLASH
    this.field.set(start, end, plain, column)
    return this.field
  }

  /** A value that is not NULL. */
  private given(column: number): Exclude<ReadValue, null> {
    const value = this.value(column)
    if (value === null) throw this.error('ERR_INVALID_VALUE', column, 'the field is NULL; ask isNull() first')
    return value
  }

  private anyInteger(column: number): number {
    const number = Number(this.given(column))
    if (Number.isSafeInteger(number)) return number
    throw this.error('ERR_INVALID_VALUE', column, 'the number is beyond the safe range; value() gives it as a bigint')
  }

  private anyUnits(column: number, digits: number): number {
    if (!Number.isInteger(digits) || digits < 0 || digits >= POWERS_OF_TEN.length) {
      const problem = `units() takes 0 to ${POWERS_OF_TEN.length - 1} digits, not ${digits}`
      throw this.error('ERR_INVALID_ARGUMENT', column, problem)
    }
    const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(this.given(column) as string) ?? []
    if (whole !== undefined && !/[1-9]/.test(fraction.slice(digits))) {
      const units = Number(whole + fraction.slice(0, digits).padEnd(digits, '0'))
      if (Number.isSafeInteger(units)) return sign === '-' && units !== 0 ? -units : units
    }
    throw this.error('ERR_INVALID_VALUE', column, `the number is no safe whole number of units of 10^-${digits}`)
  }

  private anyMs(column: number): number {
    const kind = this.kinds[column]
    if (kind !== Kind.timestamp && kind !== Kind.timestamptz && kind !== Kind.date) this.misuse(column, 'ms')
    const text = this.given(column) as string
    if (!/\.\d{3}0*[1-9]/.test(text)) return timestampToMs(text)
    throw this.error('ERR_INVALID_VALUE', column, 'the time is finer than a millisecond; value() gives it as text')
  }

  /** Whether a field is this text. Compares from the end, where numbers differ first. */
  private is(text: string, start: number, end: number): boolean {
    const { bytes } = this
    let at = end - start
    if (at !== text.length) return false
    while (at > 0 && bytes[start + at - 1] === text.charCodeAt(at - 1)) at--
    return at === 0
  }
}

import { types } from 'node:util'
import type { ColumnEncoder } from './encode'
import { writeAscii, writeDigits } from './encode-integer'
import type { RowBuffer } from './row-buffer'
import { type Day, dayFromNumber, dayNumber, dayText, parseDay, parseMoment, timeText, toUtc } from './time'

/** timestamp, timestamptz and date, from a `Date` or from ISO text, checked against the calendar and PostgreSQL's range. */

/** 24 November 4714 BC, day 0 of the Julian day count: PostgreSQL's first day. */
const FIRST_DAY = dayNumber({ year: -4713, month: 11, day: 24 })
const LAST_TIMESTAMP_DAY = dayNumber({ year: 294_276, month: 12, day: 31 })
const LAST_DATE_DAY = dayNumber({ year: 5_874_897, month: 12, day: 31 })
const DAY_MS = 86_400_000

export function encodeTimestamp(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (types.isDate(value)) encodeInstant(out, Date.prototype.getTime.call(value), column)
  else if (typeof value === 'string') encodeMomentText(out, value, column)
  else column.refuseType(value, 'a Date or a string')
}

/** The day that was converted last: the times of a table's rows are mostly close together. */
let lastDay = 0
let lastDayText = '1970-01-01'
let lastDayIsBc = false

function rememberDay(number: number): void {
  const day = dayFromNumber(number)
  lastDay = number
  lastDayText = dayText(day)
  lastDayIsBc = day.year < 1
}

/** The longest: six digits of a year, the rest of the day, the time, a fraction, `+00`, ` BC` and a tab. */
const TIMESTAMP_BYTES_MAX = 40
const TAB = 9
const SPACE = 32
const COLON = 58
const POINT = 46

function encodeInstant(out: RowBuffer, ms: number, column: ColumnEncoder): void {
  if (Number.isNaN(ms)) column.refuse('is an invalid Date')
  const day = Math.floor(ms / DAY_MS)
  if (day < FIRST_DAY) refuseRange(column)
  if (day !== lastDay) rememberDay(day)
  if (!out.reserve(TIMESTAMP_BYTES_MAX)) column.refuseRoom()
  const { bytes } = out
  let pos = putAscii(bytes, out.pos, lastDayText)
  pos = putTime(bytes, pos, ms - day * DAY_MS)
  if (column.base === 'timestamptz') pos = putAscii(bytes, pos, '+00')
  if (lastDayIsBc) pos = putAscii(bytes, pos, ' BC')
  bytes[pos] = TAB
  out.pos = pos + 1
}

function putTime(bytes: Uint8Array, start: number, msOfDay: number): number {
  const seconds = (msOfDay / 1000) | 0
  const minutes = (seconds / 60) | 0
  const hours = (minutes / 60) | 0
  let pos = start
  bytes[pos++] = SPACE
  pos = writeDigits(bytes, pos, hours, 2)
  bytes[pos++] = COLON
  pos = writeDigits(bytes, pos, minutes - hours * 60, 2)
  bytes[pos++] = COLON
  pos = writeDigits(bytes, pos, seconds - minutes * 60, 2)
  let fraction = msOfDay - seconds * 1000
  if (fraction === 0) return pos
  bytes[pos++] = POINT
  let digits = 3
  for (; fraction % 10 === 0; fraction /= 10) digits--
  return writeDigits(bytes, pos, fraction, digits)
}

function putAscii(bytes: Uint8Array, start: number, text: string): number {
  let pos = start
  for (let i = 0; i < text.length; i++) bytes[pos++] = text.charCodeAt(i)
  return pos
}

function encodeMomentText(out: RowBuffer, text: string, column: ColumnEncoder): void {
  if (isInfinity(text)) return writeAscii(out, text, column)
  const moment = parseMoment(text)
  if (moment === undefined) column.refuse("is no date and time in ISO form ('2026-11-23 12:00:00.123456')")
  const zoned = column.base === 'timestamptz'
  if (zoned && moment.offsetMinutes === undefined)
    column.refuse("has no time zone: add 'Z' or an offset such as '+01:00'")
  if (!zoned && moment.offsetMinutes !== undefined) {
    column.refuse('has a time zone, which a timestamp cannot keep: declare timestamptz')
  }
  const utc = toUtc(moment)
  checkRange(utc, LAST_TIMESTAMP_DAY, column)
  const time = `${dayText(utc)} ${timeText(utc.seconds, utc.fraction)}`
  writeAscii(out, withEra(zoned ? `${time}+00` : time, utc), column)
}

export function encodeDate(out: RowBuffer, value: unknown, column: ColumnEncoder): void {
  if (typeof value === 'string') return encodeDateText(out, value, column)
  if (!types.isDate(value)) column.refuseType(value, 'a Date or a string')
  const ms = Date.prototype.getTime.call(value)
  if (Number.isNaN(ms)) column.refuse('is an invalid Date')
  if (ms % DAY_MS !== 0) {
    column.refuse("has a time of day (in UTC), which a date cannot keep: give midnight UTC or text ('2026-11-23')")
  }
  const day = dayFromNumber(ms / DAY_MS)
  checkRange(day, LAST_DATE_DAY, column)
  writeAscii(out, withEra(dayText(day), day), column)
}

function encodeDateText(out: RowBuffer, text: string, column: ColumnEncoder): void {
  if (isInfinity(text)) return writeAscii(out, text, column)
  const day = parseDay(text)
  if (day === undefined) column.refuse("is no date in ISO form ('2026-11-23')")
  checkRange(day, LAST_DATE_DAY, column)
  writeAscii(out, withEra(dayText(day), day), column)
}

function isInfinity(text: string): boolean {
  return text === 'infinity' || text === '-infinity'
}

function checkRange(day: Day, last: number, column: ColumnEncoder): void {
  const number = dayNumber(day)
  if (number < FIRST_DAY || number > last) refuseRange(column)
}

function refuseRange(column: ColumnEncoder): never {
  const last = column.base === 'date' ? '5874897-12-31' : '294276-12-31'
  column.refuse(`is out of PostgreSQL's range, 4714-11-24 BC to ${last}`)
}

function withEra(text: string, day: Day): string {
  return day.year < 1 ? `${text} BC` : text
}

/**
 * Dates and times as PostgreSQL writes them with DateStyle ISO and TimeZone UTC: `2026-11-23`, `2026-11-23 12:00:00.5`,
 * `2026-11-23 12:00:00.5+00`, years before 1 with ` BC` behind, and `infinity` and `-infinity`.
 */

/** A day of the proleptic Gregorian calendar. Years count astronomically: 0 is 1 BC. */
export interface Day {
  readonly year: number
  readonly month: number
  readonly day: number
}

export interface Moment extends Day {
  /** Seconds since midnight, and the digits of their fraction without trailing zeros. */
  readonly seconds: number
  readonly fraction: string
  /** Minutes east of UTC; undefined where the text names no zone. */
  readonly offsetMinutes: number | undefined
}

const DATE = /^(\d{4,7})-(\d\d)-(\d\d)( BC)?$/
const MOMENT = /^(\d{4,6})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)?( BC)?$/
const DAY_MS = 86_400_000
/** Character code of `0`. */
const ZERO = 48
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
/** The Gregorian calendar repeats after this many years and days. */
const CYCLE_YEARS = 400
const CYCLE_DAYS = 146_097

/** A date's text, or undefined if it is not one or no such day exists. */
export function parseDay(text: string): Day | undefined {
  const [, year, month, day, bc] = DATE.exec(text) ?? []
  return year === undefined ? undefined : validDay(year, month, day, bc)
}

/** The text of a date and a time, or undefined if it is not one or no such instant exists. */
export function parseMoment(text: string): Moment | undefined {
  const [, year, month, day, hour, minute, second, fraction = '', zone, bc] = MOMENT.exec(text) ?? []
  if (year === undefined) return undefined
  const date = validDay(year, month, day, bc)
  const time = [Number(hour), Number(minute), Number(second)] as const
  const offsetMinutes = parseZone(zone)
  if (date === undefined || time[0] > 23 || time[1] > 59 || time[2] > 59 || Number.isNaN(offsetMinutes))
    return undefined
  const seconds = time[0] * 3600 + time[1] * 60 + time[2]
  return { ...date, seconds, fraction: fraction.replace(/0+$/, ''), offsetMinutes }
}

function validDay(yearText: string, monthText = '', dayText = '', bc: string | undefined): Day | undefined {
  const named = Number(yearText)
  if (named === 0) return undefined
  const year = bc === undefined ? named : 1 - named
  const month = Number(monthText)
  const day = Number(dayText)
  return day >= 1 && day <= daysInMonth(year, month) ? { year, month, day } : undefined
}

function daysInMonth(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && leap ? 29 : (MONTH_DAYS[month - 1] ?? 0)
}

/** Minutes east of UTC, undefined without a zone, NaN for one that no clock has. */
function parseZone(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z') return zone === undefined ? undefined : 0
  const hours = Number(zone.slice(1, 3))
  const minutes = zone.length > 3 ? Number(zone.slice(-2)) : 0
  if (hours > 15 || minutes > 59) return NaN
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

/** Days since 1970-01-01, for any year: the year is moved by whole cycles into those that Date.UTC takes as they are. */
export function dayNumber({ year, month, day }: Day): number {
  const cycles = Math.floor((year - 2000) / CYCLE_YEARS)
  return Date.UTC(year - cycles * CYCLE_YEARS, month - 1, day) / DAY_MS + cycles * CYCLE_DAYS
}

export function dayFromNumber(number: number): Day {
  const cycles = Math.floor(number / CYCLE_DAYS)
  const date = new Date((number - cycles * CYCLE_DAYS) * DAY_MS)
  const year = date.getUTCFullYear() + cycles * CYCLE_YEARS
  return { year, month: date.getUTCMonth() + 1, day: date.getUTCDate() }
}

/** The same instant in UTC. */
export function toUtc(moment: Moment): Moment {
  const shift = moment.offsetMinutes ?? 0
  const total = moment.seconds - shift * 60
  const days = Math.floor(total / 86_400)
  const day = days === 0 ? moment : dayFromNumber(dayNumber(moment) + days)
  const { year, month, day: date } = day
  return { year, month, day: date, seconds: total - days * 86_400, fraction: moment.fraction, offsetMinutes: 0 }
}

/** The year as PostgreSQL prints it, without the ` BC` that belongs at the text's end. */
function yearText(year: number): string {
  return String(year > 0 ? year : 1 - year).padStart(4, '0')
}

export function dayText({ year, month, day }: Day): string {
  return `${yearText(year)}-${two(month)}-${two(day)}`
}

export function timeText(seconds: number, fraction: string): string {
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return fraction === '' ? clock : `${clock}.${fraction}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/** The number that two characters from `at` on write, or NaN if they are no digits. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO
  const ones = text.charCodeAt(at + 1) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN
}

/** Milliseconds of `.f` to `.ffffff` from `at` to the text's end, 0 for no fraction, or NaN. */
function plainFraction(text: string, at: number): number {
  if (at === text.length) return 0
  const digits = text.length - at - 1
  if (text[at] !== '.' || digits < 1 || digits > 6) return NaN
  let value = 0
  for (let i = at + 1; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (!(digit >= 0 && digit <= 9)) return NaN
    value = value * 10 + digit
  }
  return Math.floor((value * 1000) / 10 ** digits)
}

/**
 * Milliseconds since 1970 of the commonest text, `YYYY-MM-DD HH:MM:SS` with or without a fraction, or NaN for any other.
 * Millions of rows have two of them each: this is many times as fast as the whole grammar.
 */
export function plainTimestampToMs(text: string): number {
  if (text.length < 19 || text[4] !== '-' || text[7] !== '-' || text[10] !== ' ') return NaN
  if (text[13] !== ':' || text[16] !== ':') return NaN
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2)
  const month = twoDigits(text, 5)
  const day = twoDigits(text, 8)
  const hour = twoDigits(text, 11)
  const minute = twoDigits(text, 14)
  const second = twoDigits(text, 17)
  // Written so that NaN fails.
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return NaN
  return dayMs(year, month, day) + ((hour * 60 + minute) * 60 + second) * 1000 + plainFraction(text, 19)
}

/** The day that was asked for last, since that of the next row is mostly the same. */
const lastDay = { year: 0, month: 0, day: 0, ms: NaN }

/**
 * Milliseconds since 1970 of a day's beginning, or NaN if no such day exists, a part of it is NaN, or the year is before
 * 100, which is Date.UTC's exception and left to the grammar.
 */
export function dayMs(year: number, month: number, day: number): number {
  if (lastDay.day === day && lastDay.month === month && lastDay.year === year) return lastDay.ms
  const valid = year >= 100 && day >= 1 && day <= daysInMonth(year, month)
  if (!valid) return NaN
  Object.assign(lastDay, { year, month, day, ms: Date.UTC(year, month - 1, day) })
  return lastDay.ms
}

/**
 * Milliseconds since 1970 of what a slice returns for a timestamp, timestamptz or date; times without a zone are taken
 * as UTC, as the writer took the `Date`. Microseconds are left out. `infinity` is Infinity; NaN is what is no such text.
 */
export function timestampToMs(text: string): number {
  if (text === 'infinity' || text === '-infinity') return text === 'infinity' ? Infinity : -Infinity
  const plain = plainTimestampToMs(text)
  if (!Number.isNaN(plain)) return plain
  const day = parseDay(text)
  if (day !== undefined) return dayNumber(day) * DAY_MS
  const moment = parseMoment(text)
  if (moment === undefined) return NaN
  const seconds = dayNumber(moment) * 86_400 + moment.seconds - (moment.offsetMinutes ?? 0) * 60
  return seconds * 1000 + Number(moment.fraction.padEnd(3, '0').slice(0, 3))
}

import { twoDigits } from './decimal'
import { TIME_MAX } from './input'

const DAY_MS = 86_400_000

let cachedDay = -1
let cachedDate = ''

/**
 * Writes milliseconds since 1970 as `2026-11-23 12:00:00.000`, in UTC, the form in which PostgreSQL writes a timestamp.
 * A snapshot writes two of them per order, nearly all of the same few days, so the date is kept from call to call.
 */
export function formatTimestamp(time: number): string {
  const day = Math.floor(time / DAY_MS)
  if (day !== cachedDay) {
    cachedDate = new Date(day * DAY_MS).toISOString().slice(0, 10) + ' '
    cachedDay = day
  }
  const ms = time - day * DAY_MS
  const second = Math.floor(ms / 1000)
  const minute = Math.floor(second / 60)
  const hour = Math.floor(minute / 60)
  const clock = `${twoDigits(hour)}:${twoDigits(minute - hour * 60)}:${twoDigits(second - minute * 60)}`
  return cachedDate + clock + '.' + String(1000 + ms - second * 1000).slice(1)
}

const PATTERN = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,3})0*)?Z?$/

/** Reads what `formatTimestamp` or PostgreSQL wrote. Throws a RangeError for anything else, or finer than 1 ms. */
export function parseTimestamp(text: string): number {
  const parts = PATTERN.exec(text)
  const time = parts === null ? NaN : Date.parse(`${parts[1]}T${parts[2]}.${(parts[3] ?? '').padEnd(3, '0')}Z`)
  if (!(time >= 0 && time <= TIME_MAX)) throw new RangeError('a timestamp is not one that the exchange writes')
  return time
}

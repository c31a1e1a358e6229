import { TIME_MAX } from './input'

const PATTERN = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,3})0*)?Z?$/

/**
 * Milliseconds since 1970 of a timestamp without a zone, which is in UTC, as slices and PostgreSQL give it:
 * `2026-11-23 12:00:00.5`. Throws a RangeError for a time that the exchange cannot have written, such as one finer than a
 * millisecond.
 */
export function parseTimestamp(text: string): number {
  const parts = PATTERN.exec(text)
  const time = parts === null ? NaN : Date.parse(`${parts[1]}T${parts[2]}.${(parts[3] ?? '').padEnd(3, '0')}Z`)
  if (!(time >= 0 && time <= TIME_MAX)) throw new RangeError('a timestamp is not one that the exchange writes')
  return time
}

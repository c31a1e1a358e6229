import { timestampToMs } from 'forksnap'
import { TIME_MAX } from './input'

/** The longest text that the exchange writes: milliseconds, no zone. */
const FINEST = '2026-11-23 12:00:00.500'

/**
 * Milliseconds since 1970 of a timestamp without a zone, which is in UTC, as slices and PostgreSQL give it:
 * `2026-11-23 12:00:00.5`. Throws a RangeError for a time that the exchange cannot have written, such as one finer than a
 * millisecond.
 */
export function parseTimestamp(text: string): number {
  const time = text.length > FINEST.length ? NaN : timestampToMs(text)
  if (!(time >= 0 && time <= TIME_MAX)) throw new RangeError('a timestamp is not one that the exchange writes')
  return time
}

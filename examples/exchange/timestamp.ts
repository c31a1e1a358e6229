import { TIME_MAX } from './input'

/**
 * A time that a slice gave, in milliseconds since 1970. Throws a RangeError for one that the exchange cannot have written.
 */
export function checkStoredTime(time: number): number {
  if (!(time >= 0 && time <= TIME_MAX)) throw new RangeError('a timestamp is not one that the exchange writes')
  return time
}

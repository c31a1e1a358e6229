import { dayMs } from './time'

const SPACE = 32
const MINUS = 45
const POINT = 46
const ZERO = 48
const COLON = 58
/** `YYYY-MM-DD HH:MM:SS`, and the same with a fraction of a second down to milliseconds. */
const SECONDS_LENGTH = 19
const MILLISECONDS_LENGTH = 23

/** The number that two digits write, or NaN. */
function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at] - ZERO
  const ones = bytes[at + 1] - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN
}

/** Milliseconds since 1970 of `YYYY-MM-DD HH:MM:SS` with a fraction of up to three digits, or NaN for any other text. */
export function plainMs(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < SECONDS_LENGTH || length > MILLISECONDS_LENGTH) return NaN
  if (bytes[start + 4] !== MINUS || bytes[start + 7] !== MINUS || bytes[start + 10] !== SPACE) return NaN
  if (bytes[start + 13] !== COLON || bytes[start + 16] !== COLON) return NaN
  const hour = twoDigits(bytes, start + 11)
  const minute = twoDigits(bytes, start + 14)
  const second = twoDigits(bytes, start + 17)
  // Written so that NaN fails.
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return NaN
  const year = twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2)
  const day = dayMs(year, twoDigits(bytes, start + 5), twoDigits(bytes, start + 8))
  return day + ((hour * 60 + minute) * 60 + second) * 1000 + plainFraction(bytes, start + SECONDS_LENGTH, end)
}

function plainFraction(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0
  if (bytes[start] !== POINT || start === end - 1) return NaN
  let unit = 1000
  let ms = 0
  for (let at = start + 1; at < end; at++) {
    const digit = bytes[at] - ZERO
    if (digit < 0 || digit > 9) return NaN
    unit /= 10
    ms += digit * unit
  }
  return ms
}

import { invalid } from './errors'
import type { OrderSide, OrderType } from './order'

/**
 * Checks of what comes from outside. Parameters have types, but they were JSON a moment ago: nothing is believed. What
 * passes can be held by a slice, or one hostile text would stop every later snapshot.
 */

/** 9999-12-31T23:59:59.999Z in milliseconds: the last time that is written with a year of four digits. */
export const TIME_MAX = 253_402_300_799_999

const U64_MAX = 2n ** 64n - 1n

export function checkTime(time: number): number {
  if (!Number.isInteger(time) || time < 0 || time > TIME_MAX) throw invalid('invalid time')
  return time
}

/** Text of at most `lengthMax` UTF-16 units, well formed and without NUL. Absent means empty. */
export function checkText(value: unknown, lengthMax: number, what: string): string {
  if (value === undefined) return ''
  if (typeof value !== 'string' || value.length > lengthMax || !isStorable(value)) throw invalid(`invalid ${what}`)
  return value
}

/** Whether PostgreSQL and UTF-8 can hold it: no NUL, no half of a surrogate pair. */
function isStorable(text: string): boolean {
  return !/[\0\p{Surrogate}]/u.test(text)
}

/** An unsigned 64-bit number, as a number or as decimal text, in its one decimal form. */
export function checkU64(value: unknown, what: string): string {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return String(value)
  if (typeof value !== 'string' || !/^(0|[1-9]\d{0,19})$/.test(value) || BigInt(value) > U64_MAX) {
    throw invalid(`invalid ${what}`)
  }
  return value
}

/** An order's id. Those beyond the safe range are valid but were never given out: they read as 0, which no order has. */
export function checkOrderId(value: unknown): number {
  const id = Number(checkU64(value, 'order_id'))
  return Number.isSafeInteger(id) ? id : 0
}

export function checkSide(value: unknown): OrderSide {
  if (value !== 'ASK' && value !== 'BID') throw invalid('invalid order_side')
  return value
}

export function checkType(value: unknown): OrderType {
  if (value !== 'LIMIT' && value !== 'MARKET') throw invalid('invalid order_type')
  return value
}

/** Absent means false. */
export function checkFlag(value: unknown, what: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw invalid(`invalid ${what}`)
  return value === true
}

/** A whole number from 0 to `max`. */
export function checkCount(value: unknown, max: number, what: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
    throw invalid(`invalid ${what}`)
  return value
}

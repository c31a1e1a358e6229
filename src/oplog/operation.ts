import { checkOptions, invalidArgument } from '../checks'
import { ForksnapError } from '../errors'
import { hasLoneSurrogate, jsonProblem, textLeft } from '../slice/json'
import type { NewOperation } from './oplog'

/** Checks and encodes what is appended, in every log alike, before it is given an id. */

/** Bytes of UTF-8 that a method has at most. */
export const METHOD_BYTES_MAX = 255
/** Bytes of JSON in UTF-8 that the params of one operation have at most. */
export const PARAMS_BYTES_MAX = 64 * 1024 * 1024
/** From the year 1 to the year 9999, in milliseconds since 1970: what every log, and whoever reads it, holds. */
export const TIME_MS_MIN = -62_135_596_800_000
export const TIME_MS_MAX = 253_402_300_799_999

export interface EncodedOperation {
  /** Milliseconds since 1970, a whole number. */
  readonly time: number
  readonly method: string
  /** JSON without spaces. It holds no NUL and no lone surrogate. */
  readonly params: string
  /** Bytes of `method` and `params` in UTF-8. */
  readonly bytes: number
}

/**
 * The operation as a log keeps it. Throws `ERR_INVALID_ARGUMENT` for what is no operation, `ERR_INVALID_VALUE` for a method
 * or params that cannot be kept exactly: too large, NUL in the method, a lone surrogate, what JSON would drop or round, -0 among it.
 */
export function encodeOperation(operation: NewOperation): EncodedOperation {
  checkKeys(operation)
  const { method, time = Date.now() } = operation
  const methodBytes = checkMethod(method)
  if (!Number.isInteger(time) || time < TIME_MS_MIN || time > TIME_MS_MAX) {
    throw invalidArgument('time', 'whole milliseconds since 1970, from the year 1 to the year 9999', time)
  }
  const params = encodeParams(method, operation.params)
  return { time, method, params: params.text, bytes: methodBytes + params.bytes }
}

const KEYS: readonly string[] = ['method', 'params', 'time']

/** Called for every entry, hence without an array of the keys as long as nothing is wrong. */
function checkKeys(operation: NewOperation): void {
  if (typeof operation === 'object' && operation !== null) {
    let known = true
    for (const key in operation) known &&= key === 'method' || key === 'params' || key === 'time'
    if (known && !Array.isArray(operation)) return
  }
  checkOptions('operation', operation, KEYS)
}

function checkMethod(method: unknown): number {
  if (typeof method !== 'string') throw invalidArgument('method', 'a string', method)
  const bytes = Buffer.byteLength(method)
  if (bytes >= 1 && bytes <= METHOD_BYTES_MAX && !method.includes('\0') && !hasLoneSurrogate(method)) return bytes
  const shown = JSON.stringify(method.slice(0, 60))
  const message = `The method ${shown} cannot be logged: it must have 1 to ${METHOD_BYTES_MAX} bytes of UTF-8 without NUL`
  throw new ForksnapError('ERR_INVALID_VALUE', message)
}

function encodeParams(method: string, params: unknown): { text: string; bytes: number } {
  if (!isPlain(params)) checkParams(method, params)
  const text = JSON.stringify(params)
  // Only a lone surrogate, or a text that happens to hold these characters, is written with this escape.
  if (text.includes('\\ud')) checkParams(method, params)
  const bytes = Buffer.byteLength(text)
  if (bytes > PARAMS_BYTES_MAX) throw tooLarge(method)
  return { text, bytes }
}

/** Says what is wrong with params, if anything is. */
function checkParams(method: string, params: unknown): void {
  // What is far too large is found before a gigabyte of text is made of it.
  if (textLeft(params, PARAMS_BYTES_MAX) < 0) throw tooLarge(method)
  const problem = jsonProblem(params)
  if (problem === undefined) return
  throw new ForksnapError(
    'ERR_INVALID_VALUE',
    `The params of ${JSON.stringify(method)} cannot be logged: it ${problem}`,
  )
}

/**
 * A quick look, for nearly all params the only one: whether they are small enough and made of nothing but what JSON holds,
 * lone surrogates aside. False says that a closer look is needed.
 */
function isPlain(params: unknown): boolean {
  return plainLeft(params, PARAMS_BYTES_MAX, 0) >= 0
}

/** As `textLeft`, and negative as soon as something is not plain. */
function plainLeft(value: unknown, left: number, depth: number): number {
  if (typeof value === 'string') return left - value.length
  // 1 / -0 is negative: JSON writes -0 as 0.
  if (typeof value === 'number') return Number.isFinite(value) && (value !== 0 || 1 / value > 0) ? left - 1 : -1
  if (value === null || typeof value === 'boolean') return left - 1
  if (typeof value !== 'object' || depth > DEPTH_MAX) return -1
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && left >= 0; i++) left = plainLeft(value[i], left - 1, depth + 1)
    return left
  }
  if (Object.getPrototypeOf(value) !== Object.prototype || 'toJSON' in value) return -1
  for (const key in value) {
    if (left < 0) return left
    left = plainLeft((value as Record<string, unknown>)[key], left - key.length, depth + 1)
  }
  return left
}

const DEPTH_MAX = 500

function tooLarge(method: string): ForksnapError {
  const message = `The params of ${JSON.stringify(method)} are too large: at most ${PARAMS_BYTES_MAX} bytes of JSON; log a reference`
  return new ForksnapError('ERR_INVALID_VALUE', message)
}

import type { JsonValue, SliceMeta } from './types'

/**
 * JSON without the silent losses of `JSON.stringify`: what it would drop, round or replace (undefined, functions, NaN, -0,
 * dates, class instances) is refused with the place named. And JSON with bigints, for `meta`.
 */

/** Deeper nesting is refused; it also ends a walk over a value that contains itself. */
const DEPTH_MAX = 500

/** A lone surrogate has no UTF-8 form; with the flag `u` a pair does not match. */
const LONE_SURROGATE = /[\ud800-\udfff]/u

export function hasLoneSurrogate(text: string): boolean {
  return LONE_SURROGATE.test(text)
}

/** What is wrong with a value, as the end of a sentence, or undefined if JSON holds it. */
export function jsonProblem(value: unknown, allow: { bigint?: boolean; nul?: boolean } = {}): string | undefined {
  return problemAt(value, '', 0, { bigint: allow.bigint ?? false, nul: allow.nul ?? true })
}

interface Allowed {
  readonly bigint: boolean
  readonly nul: boolean
}

function problemAt(value: unknown, path: string, depth: number, allowed: Allowed): string | undefined {
  if (depth > DEPTH_MAX) return `is nested more than ${DEPTH_MAX} deep or contains itself`
  if (value === null || typeof value === 'boolean') return undefined
  if (typeof value === 'number') return numberProblem(value, path)
  if (typeof value === 'string') return textProblem(value, path, allowed)
  if (typeof value === 'bigint' && allowed.bigint) return undefined
  if (typeof value !== 'object') return `has a value of type ${typeof value}${at(path)}`
  return Array.isArray(value) ? arrayProblem(value, path, depth, allowed) : objectProblem(value, path, depth, allowed)
}

function numberProblem(value: number, path: string): string | undefined {
  if (Object.is(value, -0)) return `has -0, which JSON writes as 0${at(path)}`
  return Number.isFinite(value) ? undefined : `has ${value}${at(path)}`
}

function textProblem(text: string, path: string, allowed: Allowed): string | undefined {
  if (hasLoneSurrogate(text)) return `has a lone surrogate in the text${at(path)}`
  if (!allowed.nul && text.includes('\0')) return `has a NUL (\\u0000), which jsonb cannot hold, in the text${at(path)}`
  return undefined
}

function arrayProblem(items: readonly unknown[], path: string, depth: number, allowed: Allowed): string | undefined {
  for (let i = 0; i < items.length; i++) {
    const problem = problemAt(items[i], `${path}[${i}]`, depth + 1, allowed)
    if (problem !== undefined) return problem
  }
  return undefined
}

function objectProblem(value: object, path: string, depth: number, allowed: Allowed): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value)
  // Plain objects of another realm (a vm context, a test runner's sandbox) have a prototype chain of length one too.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    return `has an object that is not plain${at(path)}`
  if ('toJSON' in value && typeof value.toJSON === 'function') return `has an object with toJSON()${at(path)}`
  for (const [key, item] of Object.entries(value)) {
    const here = path === '' ? key : `${path}.${key}`
    const problem = textProblem(key, here, allowed) ?? problemAt(item, here, depth + 1, allowed)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** What is left of a number of bytes when every value has taken the least that its JSON can have; it stops below 0. */
export function textLeft(value: unknown, left: number, depth = 0): number {
  if (typeof value === 'string') return left - value.length
  // Deeper nesting is told by the check of the values themselves, which is where a value that contains itself ends too.
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return left - 1
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && left >= 0; i++) left = textLeft(value[i], left - 1, depth + 1)
    return left
  }
  for (const key in value) {
    if (left < 0) return left
    left = textLeft((value as Record<string, unknown>)[key], left - key.length, depth + 1)
  }
  return left
}

function at(path: string): string {
  return path === '' ? '' : ` at ${JSON.stringify(path)}`
}

/**
 * `meta` as JSON. A bigint becomes `{ "$bigint": "123" }`, and a user's own key that begins with `$` gets another `$`
 * in front, so that nobody's object can be taken for a bigint. Entries that are undefined are left out.
 */
export function encodeMeta(meta: SliceMeta): JsonValue {
  return Object.fromEntries(
    Object.entries(meta)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [escapeKey(key), tag(value as JsonValue | bigint)]),
  )
}

function tag(value: JsonValue | bigint): JsonValue {
  if (typeof value === 'bigint') return { $bigint: value.toString() }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: JsonValue) => tag(item))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, JsonValue]) => [escapeKey(key), tag(item)]),
  )
}

function escapeKey(key: string): string {
  return key.startsWith('$') ? `$${key}` : key
}

/** The inverse of `encodeMeta`; throws for a tag that it does not know. */
export function decodeMeta(json: { readonly [key: string]: JsonValue }): SliceMeta {
  return untagObject(json) as SliceMeta
}

function untag(value: JsonValue): JsonValue | bigint {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: JsonValue) => untag(item)) as JsonValue
  const object = value as { readonly [key: string]: JsonValue }
  const digits = object['$bigint']
  if (typeof digits === 'string' && Object.keys(object).length === 1) return untagBigint(digits)
  return untagObject(object) as JsonValue
}

function untagBigint(digits: string): bigint {
  if (!/^-?\d+$/.test(digits)) throw new Error('a $bigint is not made of digits')
  return BigInt(digits)
}

function untagObject(object: { readonly [key: string]: JsonValue }): object {
  return Object.fromEntries(Object.entries(object).map(([key, item]) => [unescapeKey(key), untag(item)]))
}

function unescapeKey(key: string): string {
  if (!key.startsWith('$')) return key
  if (!key.startsWith('$$')) throw new Error(`the tag ${key} is unknown`)
  return key.slice(1)
}

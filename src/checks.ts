import { ForksnapError } from './errors'

/** Checks of arguments and options: each throws `ERR_INVALID_ARGUMENT` with the option's name, its range and what was given. */

/** The longest time that a Node.js timer can wait, in milliseconds (about 24.8 days); a longer one fires at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1

export function invalidArgument(name: string, expected: string, value: unknown): ForksnapError {
  return new ForksnapError('ERR_INVALID_ARGUMENT', `${name} must be ${expected}; got ${show(value)}`)
}

/** A short text for a value of any type. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return isThenable(value) ? 'a promise' : 'an object'
  return String(value)
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

export function checkWhole(name: string, value: unknown, min: number, max: number): void {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return
  throw invalidArgument(name, `a whole number from ${min} to ${max}`, value)
}

export function checkNumber(name: string, value: unknown, min: number, max: number): void {
  if (typeof value === 'number' && value >= min && value <= max) return
  throw invalidArgument(name, `a number from ${min} to ${max}`, value)
}

export function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw invalidArgument(name, 'true or false', value)
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgument(name, 'a function', value)
}

/** An object whose keys are all known, so that a misspelt option does not silently leave the default in place. */
export function checkOptions(name: string, value: unknown, keys: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(name, 'an object', value)
  }
  const unknown = Object.keys(value).find((key) => !keys.includes(key))
  if (unknown === undefined) return
  throw new ForksnapError(
    'ERR_INVALID_ARGUMENT',
    `${name} has no option ${JSON.stringify(unknown)}; it knows ${keys.join(', ')}`,
  )
}

/** An object that has these methods. */
export function checkMethods(name: string, value: unknown, methods: readonly string[]): void {
  if (typeof value !== 'object' || value === null) throw invalidArgument(name, 'an object', value)
  const missing = methods.find((method) => typeof (value as Record<string, unknown>)[method] !== 'function')
  if (missing !== undefined) {
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `${name} must have a method ${missing}()`)
  }
}

export function checkSignal(name: string, value: unknown): void {
  if (value !== undefined && !(value instanceof AbortSignal)) throw invalidArgument(name, 'an AbortSignal', value)
}

export function checkDirectoryPath(name: string, value: unknown): asserts value is string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return
  throw invalidArgument(name, 'the path of a directory', value)
}

/** The same object without its undefined fields, so that `{ ms: undefined }` means the default. */
export function defined<T extends object>(options: T): { [K in keyof T]-?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}

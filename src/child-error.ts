import { isNativeError } from 'node:util/types'
import { ForksnapError, type ForksnapErrorCode } from './errors'

/** The fields of a child's error that survive the way to the parent, beside name, message and stack. */
const keptFields = ['code', 'errno', 'syscall', 'path', 'table', 'row', 'column', 'offset'] as const

interface Described {
  name: string
  message: string
  stack?: string
  fields?: Record<string, unknown>
}

/** What the status page holds of a message, in bytes of UTF-8; the same number as `kMessageMax` in `status_page.h`. */
const DESCRIPTION_BYTES_MAX = 8 << 10
/** A name, message, field or stack begins with at most so many characters, and is cut further if that is too much. */
const TEXT_MAX = 3000
const INDESCRIBABLE = 'the child threw something that cannot be described'

/** What a getter says, as text; undefined where it throws or says something else. */
function read(get: () => unknown): string | undefined {
  try {
    const value = get()
    // Whatever it is: an object whose text says nothing is still told as what it is.
    // eslint-disable-next-line @typescript-eslint/no-base-to-string
    return value === undefined ? undefined : String(value)
  } catch {
    return undefined
  }
}

function readField(thrown: Record<string, unknown>, key: string): unknown {
  try {
    const value = thrown[key]
    return typeof value === 'string' || typeof value === 'number' ? value : undefined
  } catch {
    return undefined
  }
}

/** An error of another realm (`node:vm`) is no `instanceof Error`, and an error whose prototype was changed no native one. */
function isError(thrown: unknown): thrown is Error {
  try {
    return isNativeError(thrown) || thrown instanceof Error
  } catch {
    return false
  }
}

function describeValue(thrown: unknown): Described {
  if (!isError(thrown)) return { name: 'Error', message: read(() => String(thrown)) ?? INDESCRIBABLE }
  const fields: Record<string, unknown> = {}
  for (const key of keptFields) {
    const value = readField(thrown as unknown as Record<string, unknown>, key)
    if (value !== undefined) fields[key] = value
  }
  const stack = read(() => thrown.stack)
  return {
    name: read(() => thrown.name) ?? 'Error',
    message: read(() => thrown.message) ?? INDESCRIBABLE,
    ...(stack === undefined ? {} : { stack }),
    fields,
  }
}

const cutTo = (max: number) => (_key: string, value: unknown) =>
  typeof value === 'string' ? value.slice(0, max) : value

/**
 * In the child: what was thrown, as JSON for the status page. Never throws itself, whatever the value's getters do, and
 * is never longer than the page: cut there, it would be no JSON any more.
 */
export function describeError(thrown: unknown): string {
  const described = describeValue(thrown)
  for (let max = TEXT_MAX; ; max = Math.floor(max / 2)) {
    const text = JSON.stringify(described, cutTo(max))
    if (Buffer.byteLength(text) <= DESCRIPTION_BYTES_MAX) return text
  }
}

/** In the parent: the child's error again, a `ForksnapError` if it was one. */
export function reviveError(text: string): Error {
  let described: Described
  try {
    described = JSON.parse(text) as Described
  } catch {
    return new Error(text)
  }
  const { name, message, stack, fields = {} } = described
  const error =
    name === 'ForksnapError' && typeof fields.code === 'string'
      ? new ForksnapError(fields.code as ForksnapErrorCode, message)
      : new Error(message)
  if (!(error instanceof ForksnapError)) Object.assign(error, { name })
  if (stack !== undefined) Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true })
  return Object.assign(error, fields)
}

import { ForksnapError, type ForksnapErrorCode } from './errors'

/** The fields of a child's error that survive the way to the parent, beside name, message and stack. */
const keptFields = ['code', 'errno', 'syscall', 'path', 'table', 'row', 'column', 'offset'] as const

interface Described {
  name: string
  message: string
  stack?: string
  fields?: Record<string, unknown>
}

/** At most this many characters of a stack: the status page holds 8 KiB in all. */
const STACK_MAX = 3000
const MESSAGE_MAX = 3000

function describeValue(thrown: unknown): Described {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown).slice(0, MESSAGE_MAX) }
  const fields: Record<string, unknown> = {}
  for (const key of keptFields) {
    const value = (thrown as unknown as Record<string, unknown>)[key]
    if (typeof value === 'string' || typeof value === 'number') fields[key] = value
  }
  return {
    name: String(thrown.name),
    message: String(thrown.message).slice(0, MESSAGE_MAX),
    ...(typeof thrown.stack === 'string' ? { stack: thrown.stack.slice(0, STACK_MAX) } : {}),
    fields,
  }
}

/** In the child: what was thrown, as text for the status page. Never throws itself, whatever the value's getters do. */
export function describeError(thrown: unknown): string {
  try {
    return JSON.stringify(describeValue(thrown))
  } catch {
    return JSON.stringify({ name: 'Error', message: 'the child threw something that cannot be described' })
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

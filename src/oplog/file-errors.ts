import { errnoOf, ForksnapError, type ForksnapErrorDetails } from '../errors'

/** What a log in files has to say when something is wrong with it. */

export function corrupt(path: string, offset: number, why: string): ForksnapError {
  const message =
    `The log is damaged in ${path} at byte ${offset}: ${why}. Entries from there on were durable and cannot be trusted; ` +
    'restore the segment from a copy, or recover from a slice that is newer'
  return new ForksnapError('ERR_LOG_CORRUPT', message, { path, offset })
}

export function gap(path: string, message: string): ForksnapError {
  return new ForksnapError('ERR_LOG_GAP', `${message}; restore the missing segment from a copy`, { path })
}

/** The error that ends a log for this process. */
export function failed(cause: unknown, doing: string, path: string): ForksnapError {
  if (cause instanceof ForksnapError) return cause
  const details: ForksnapErrorDetails = { cause, path }
  const errno = errnoOf(cause)
  const syscall = (cause as { syscall?: unknown } | null)?.syscall
  if (errno !== undefined) details.errno = errno
  if (typeof syscall === 'string') details.syscall = syscall
  const said = cause instanceof Error ? cause.message : String(cause)
  const message =
    `The log could not ${doing} ${path} (${said}) and takes no more entries; what was not acknowledged may be lost. ` +
    'See to the disk, then restart and recover'
  return new ForksnapError('ERR_LOG_FAILED', message, details)
}

export function invalidState(what: string): ForksnapError {
  return new ForksnapError('ERR_INVALID_STATE', what)
}

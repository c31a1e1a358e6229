import { describeError } from './stats'

/** One method of a logger as pino has it: the fields first, then what happened. */
export type LogMethod = (fields: object, message: string) => void

/** Where a Snapshotter tells what it does. pino's loggers are of this shape; others need an object of four functions. */
export interface Logger {
  /** The steps of a save. */
  readonly debug: LogMethod
  /** Saves, and whatever else happens on purpose. */
  readonly info: LogMethod
  /** What did not go as asked, but is tried again or costs no slice. */
  readonly warn: LogMethod
  /** A save that failed, and the end of all saving. */
  readonly error: LogMethod
}

/** Names of the four methods of a logger. */
export type LogLevel = keyof Logger

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

const MESSAGE_MAX = 1_000
/** A chain of causes longer than this may be a circle. */
const CAUSES_MAX = 4

export interface LoggedError {
  readonly code: string
  readonly message: string
  readonly cause?: LoggedError
}

/**
 * An error for a log: its code and its message, cut where it gets too long, and the same of its causes. Nothing else of
 * it, since drivers put rows and connections into fields of theirs.
 */
export function loggedError(error: unknown, causesMax = CAUSES_MAX): LoggedError {
  const { code, message } = describeError(error)
  const { cause } = error instanceof Error ? error : {}
  return {
    code,
    message: message.length > MESSAGE_MAX ? `${message.slice(0, MESSAGE_MAX)}…` : message,
    ...(cause instanceof Error && causesMax > 0 && { cause: loggedError(cause, causesMax - 1) }),
  }
}

/**
 * Every error of forksnap is a `ForksnapError` with a `code` that programs can rely on and a message that says what
 * happened and what to do about it. What an operating system call, a child or a slice said of itself stands in the
 * optional fields, so that nobody has to parse a message.
 */
export type ForksnapErrorCode =
  /** The operating system, the Node version or the thread cannot fork, or the native addon is missing. */
  | 'ERR_UNSUPPORTED_PLATFORM'
  /** `fork()` itself was refused; `errno` and `syscall` say why. */
  | 'ERR_FORK_FAILED'
  /** The other threads could not be brought to rest in time; try again later. */
  | 'ERR_NOT_QUIESCENT'
  /** One snapshot at a time: another one is running and the caller did not want to join it. */
  | 'ERR_SNAPSHOT_IN_PROGRESS'
  /** The child ended by itself, but not cleanly: it threw, exited with a code or broke a rule. */
  | 'ERR_CHILD_FAILED'
  /** A signal ended the child; `signal` names it. */
  | 'ERR_CHILD_KILLED'
  /** The child made no progress for as long as the stall limit and was killed. */
  | 'ERR_CHILD_STALLED'
  /** The child ran longer than the total limit and was killed. */
  | 'ERR_CHILD_TIMEOUT'
  /** Somebody else took the child's exit status, so nobody knows how it ended; nothing was committed. */
  | 'ERR_CHILD_STATUS_UNKNOWN'
  /** A store or a log did not answer within its limit; what it was asked for may still be done. */
  | 'ERR_TIMEOUT'
  /** The caller's `AbortSignal` ended the work. */
  | 'ERR_ABORTED'
  /** The slice's bytes are damaged; `offset` says where. */
  | 'ERR_SLICE_CORRUPT'
  /** The slice was written by a version of the format that this reader does not know. */
  | 'ERR_SLICE_VERSION'
  /** An operation log is damaged before its durable end; `path` and `offset` say where. Nothing after it was applied. */
  | 'ERR_LOG_CORRUPT'
  /** Entries are missing between a slice and the log, or within the log. */
  | 'ERR_LOG_GAP'
  /** The bound on entries that are not durable yet is reached; wait for `ready()`. */
  | 'ERR_LOG_FULL'
  /** The log could not make an entry durable and takes no more; open it anew. `cause` is the system's error. */
  | 'ERR_LOG_FAILED'
  /** There is no such slice in the store. */
  | 'ERR_SLICE_NOT_FOUND'
  /** A value, a name or a column type cannot be held by a slice; `table`, `row` and `column` say where. */
  | 'ERR_INVALID_VALUE'
  /** An argument or option has the wrong type or is out of its range. */
  | 'ERR_INVALID_ARGUMENT'
  /** The call does not fit the object's state: closed, not started, used twice. */
  | 'ERR_INVALID_STATE'
  /** Another process owns the directory or database. */
  | 'ERR_LOCKED'
  /** A newer owner has taken over; this process may not publish any more. */
  | 'ERR_FENCED'
  /** This process began a new epoch after the slice was begun, which was therefore not published; save again. */
  | 'ERR_EPOCH_CHANGED'
  /** A symbolic link, a foreign owner or open permissions where a slice should be. */
  | 'ERR_UNSAFE_PATH'
  /** The store could not write, sync, publish or read; `cause` is the system's error. */
  | 'ERR_STORE_FAILED'
  /** An arena has reached its `maxBytes`. */
  | 'ERR_ARENA_FULL'
  /** The system gives an arena no more memory; `errno` and `syscall` say why. */
  | 'ERR_OUT_OF_MEMORY'
  /** A saved table of an arena has other columns than the one that it is restored into. */
  | 'ERR_SCHEMA_MISMATCH'
  /** Saving keeps failing and the engine was asked to refuse writes. */
  | 'ERR_UNHEALTHY'

/** What an error may tell beside its message. Every field is optional. */
export interface ForksnapErrorDetails {
  /** The error that led to this one. */
  cause?: unknown
  /** The system's error name, such as `EAGAIN`. */
  errno?: string
  /** The system call that failed. */
  syscall?: string
  /** Process id of the child concerned. */
  pid?: number
  /** Exit code of the child, 0 to 255. */
  exitCode?: number
  /** Name of the signal that ended the child, such as `SIGKILL`. */
  signal?: string
  /** Whether the child left a core dump. */
  coreDumped?: boolean
  /** Path of the file or directory concerned. */
  path?: string
  /** Byte offset of the damage in the slice or the file at `path`, counted from its first byte. */
  offset?: number
  /** Table of a refused value. */
  table?: string
  /** Row of a refused value, counted from 1. */
  row?: number
  /** Column of a refused value. */
  column?: string
}

/** The one class of errors that forksnap throws and rejects with. Beside `code` and `message` it has what is known. */
export class ForksnapError extends Error {
  /** What went wrong, for programs; one of `ForksnapErrorCode`. */
  readonly code: ForksnapErrorCode
  /** The system's error name, such as `EAGAIN`. */
  declare readonly errno?: string
  /** The system call that failed. */
  declare readonly syscall?: string
  /** Process id of the child concerned. */
  declare readonly pid?: number
  /** Exit code of the child, 0 to 255. */
  declare readonly exitCode?: number
  /** Name of the signal that ended the child, such as `SIGKILL`. */
  declare readonly signal?: string
  /** Whether the child left a core dump. */
  declare readonly coreDumped?: boolean
  /** Path of the file or directory concerned. */
  declare readonly path?: string
  /** Byte offset of the damage in the slice or the file at `path`, counted from its first byte. */
  declare readonly offset?: number
  /** Table of a refused value. */
  declare readonly table?: string
  /** Row of a refused value, counted from 1. */
  declare readonly row?: number
  /** Column of a refused value. */
  declare readonly column?: string

  /** `details` become fields of the error, except for `cause`, which is an Error's own. */
  constructor(code: ForksnapErrorCode, message: string, details: ForksnapErrorDetails = {}) {
    const { cause, ...fields } = details
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ForksnapError'
    this.code = code
    Object.assign(this, fields)
  }
}

/** Whether a value is a `ForksnapError`, with that code if one is given. */
export function isForksnapError(value: unknown, code?: ForksnapErrorCode): value is ForksnapError {
  return value instanceof ForksnapError && (code === undefined || value.code === code)
}

/** The system's name of an error (`ENOSPC`), or undefined for errors that have none. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

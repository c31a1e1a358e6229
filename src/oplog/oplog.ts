import type { JsonValue } from '../slice/types'

/**
 * An operation log keeps what changed the state since the newest slice. The flow of an operation through it is: `append()`
 * gives it the next id at once, the engine applies it in the order of the ids, and whoever asked for it is answered when
 * `durable` resolves. After a crash the newest slice and then `read()` from its position give the state back.
 *
 * Ids are contiguous from 1. A log never has a hole: an entry that could not be made durable ends the log for this
 * process, and everything appended after it is rejected too.
 */
export interface OperationLog {
  /** Short name for messages: `file`, `postgres`. */
  readonly kind: string
  /** Id of the entry appended last, durable or not; 0n if there never was one. */
  readonly lastId: bigint
  /** Id up to which all is durable. */
  readonly durableId: bigint
  /** Why the log has stopped, or undefined while it takes entries. Once stopped it stays so: open a new one. */
  readonly failure: Error | undefined
  /**
   * For a log whose start fences who was there before: takes the lock and leaves the epoch alone, so that `close()` gives
   * it back without a trace. `start()` does it too. Idempotent. Throws `ERR_LOCKED`.
   */
  acquire?(): Promise<void>
  /**
   * Takes the lock and the epoch, finds the end of the log, cuts a torn tail. Idempotent. Throws `ERR_LOCKED`,
   * `ERR_LOG_CORRUPT`, `ERR_LOG_GAP`, `ERR_STORE_FAILED`.
   */
  start(): Promise<LogStart>
  /**
   * Gives the operation its id. Throws at once, and gives none: `ERR_INVALID_STATE` if the log is not started or closed,
   * `failure` if it has failed, `ERR_LOG_FULL` if it is full (see `ready`), `ERR_INVALID_ARGUMENT` for what is no operation,
   * `ERR_INVALID_VALUE` for a method or params that no log can keep exactly, or params of more than 64 MiB.
   */
  append(operation: NewOperation): Appended
  /**
   * Resolves when there is room for more entries. A caller that does not wait for it gets `ERR_LOG_FULL` from `append` once
   * the bound on memory is reached; nothing is ever dropped silently.
   */
  ready(): Promise<void>
  /**
   * Resolves once every entry up to `position` (default: all so far) is durable, whatever the policy. Rejects with
   * `failure` if that cannot be, with `ERR_INVALID_ARGUMENT` for a position after the last entry.
   */
  sync(position?: bigint): Promise<void>
  /** Entries after `position`, in order and without a gap: `ERR_LOG_GAP` if one is missing, `ERR_LOG_CORRUPT` for damage. */
  read(position: bigint): AsyncIterable<readonly LogEntry[]>
  /**
   * Entries up to and including `position` may go, durably. Whole segments go; more may be kept, never less. Rejects with
   * `ERR_STORE_FAILED`, `ERR_FENCED`, `ERR_INVALID_STATE`.
   */
  prune(position: bigint): Promise<void>
  /** Forgets every entry, durably, for an engine that begins anew at `position`: the next id is the one after it. */
  reset(position?: bigint): Promise<void>
  /** Makes what was appended durable and releases the lock. Idempotent. */
  close(): Promise<void>
}

/** An operation, as `append()` takes it. */
export interface NewOperation {
  /** 1 to 255 bytes of UTF-8. */
  readonly method: string
  /** What JSON can hold; bigints are refused. */
  readonly params: JsonValue
  /** Milliseconds since 1970; default: now. */
  readonly time?: number
}

/** An operation that has its place in the log. */
export interface Appended {
  /** Its id, one more than that of the entry before it. */
  readonly id: bigint
  /** The entry's time, milliseconds since 1970. */
  readonly time: number
  /**
   * Resolves when the entry is as durable as the policy promises; rejects, and all later ones with it, if it cannot be.
   * A rejection that nobody listens to does not end the process: `failure` tells as well.
   */
  readonly durable: Promise<void>
}

/** An operation, as `read()` gives it back. */
export interface LogEntry {
  /** Its id, one more than that of the entry before it. */
  readonly id: bigint
  /** Milliseconds since 1970. */
  readonly time: number
  /** What was to be done, as `append()` got it. */
  readonly method: string
  /** With what, as `append()` got it. */
  readonly params: JsonValue
}

/** What `start()` found. */
export interface LogStart {
  /** First id in the log; 0n if it is empty. */
  readonly firstId: bigint
  /** Last id in the log; 0n if it is empty. */
  readonly lastId: bigint
  /** A torn tail that was cut: what a crash left half written and nobody was told to be durable. */
  readonly cut?: {
    /** Path of the segment's file. */
    readonly segment: string
    /** Where it was cut, in bytes from the file's beginning. */
    readonly offset: number
    /** How many bytes were cut. */
    readonly bytes: number
  }
}

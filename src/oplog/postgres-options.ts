import type { BackOff } from '../back-off'
import { checkBoolean, checkNumber, checkOptions, checkWhole, defined, TIMER_MS_MAX } from '../checks'
import { checkConnection, type PostgresConnection } from '../postgres/connection'
import { parseTableName, type TableName } from '../postgres/identifiers'
import type { Bound } from './pending'

/** How a lost connection is mended. */
export interface LogRetryOptions extends Partial<BackOff> {
  /**
   * For how many milliseconds a batch is tried again before the log gives up and stops, 0 to 2^31 - 1. Default 60,000.
   * The waits between begin with `initialMs` (50) and double (`factor` 2) up to `maxMs` (2,000).
   */
  readonly totalMs?: number
}

/** Where a log in a database is, and its bounds. */
export interface PostgresOperationLogOptions {
  /** A `postgres://` URL, or what `pg` takes as a client's configuration. */
  readonly connection: PostgresConnection
  /**
   * The table: `table`, `schema.table` or `{ schema, name }`. Default `public.operation_log`. It is created if it is
   * missing: `id bigint PRIMARY KEY, time timestamp, method text, params text`; an existing one of that form is used
   * as it is. The tables `forksnap_epoch` and `forksnap_log` are created beside it.
   */
  readonly table?: string | TableName
  /** Takes the log from an owner that still lives; its next batch is refused with `ERR_FENCED`. Default false. */
  readonly takeover?: boolean
  /** Entries that may wait to become durable, from 1; beyond it `append` throws `ERR_LOG_FULL`. Default 100,000. */
  readonly maxPendingEntries?: number
  /** The same in bytes of UTF-8, from 1. The last entry may go beyond it. Default 64 MiB. */
  readonly maxPendingBytes?: number
  /** Entries of one transaction at most, from 1. Default 5,000. */
  readonly batchEntries?: number
  /** Bytes of one transaction at most, from 1; an entry that is larger has a transaction to itself. Default 4 MiB. */
  readonly batchBytes?: number
  /** How a lost connection is mended. */
  readonly retry?: LogRetryOptions
  /**
   * Milliseconds after which a connection that gives no answer counts as lost, 1 to 2^31 - 1. Default 30,000. A batch is
   * then tried again over another one, while `start`, `read` and `prune` reject with `ERR_STORE_FAILED`, its `errno` being
   * `ETIMEDOUT`. What may rightly take longer (counting, reading and removing entries) is given its time as long as the
   * server is seen to work on it.
   */
  readonly answerMs?: number
}

export interface CheckedLogOptions {
  readonly connection: PostgresConnection
  readonly table: TableName
  readonly takeover: boolean
  readonly bound: Bound
  readonly group: Bound
  readonly retry: Required<LogRetryOptions>
  readonly answerMs: number
}

const MIB = 1024 * 1024
const DEFAULTS = {
  table: 'operation_log',
  takeover: false,
  maxPendingEntries: 100_000,
  maxPendingBytes: 64 * MIB,
  batchEntries: 5_000,
  batchBytes: 4 * MIB,
  answerMs: 30_000,
} as const
const RETRY_DEFAULTS: Required<LogRetryOptions> = { initialMs: 50, maxMs: 2_000, factor: 2, totalMs: 60_000 }
const DEFAULT_SCHEMA = 'public'
/** A message of PostgreSQL's protocol ends at 1 GiB. */
const BATCH_BYTES_MAX = 512 * MIB

/** Checks every option and fills in the defaults. Throws `ERR_INVALID_ARGUMENT`, naming the option and its range. */
export function checkLogOptions(options: PostgresOperationLogOptions): CheckedLogOptions {
  checkOptions('options', options, ['connection', 'retry', ...Object.keys(DEFAULTS)])
  checkConnection(options.connection)
  const given = { ...DEFAULTS, ...defined(options) }
  checkBoolean('takeover', given.takeover)
  checkWhole('maxPendingEntries', given.maxPendingEntries, 1, Number.MAX_SAFE_INTEGER)
  checkWhole('maxPendingBytes', given.maxPendingBytes, 1, Number.MAX_SAFE_INTEGER)
  checkWhole('batchEntries', given.batchEntries, 1, 1_000_000)
  checkWhole('batchBytes', given.batchBytes, 1, BATCH_BYTES_MAX)
  checkWhole('answerMs', given.answerMs, 1, TIMER_MS_MAX)
  return {
    connection: options.connection,
    table: parseTableName('table', given.table, DEFAULT_SCHEMA),
    takeover: given.takeover,
    bound: { entries: given.maxPendingEntries, bytes: given.maxPendingBytes },
    group: { entries: given.batchEntries, bytes: given.batchBytes },
    retry: checkRetry(options.retry ?? {}),
    answerMs: given.answerMs,
  }
}

function checkRetry(retry: LogRetryOptions): Required<LogRetryOptions> {
  checkOptions('retry', retry, Object.keys(RETRY_DEFAULTS))
  const resolved = { ...RETRY_DEFAULTS, ...defined(retry) }
  checkWhole('retry.initialMs', resolved.initialMs, 1, TIMER_MS_MAX)
  checkWhole('retry.maxMs', resolved.maxMs, resolved.initialMs, TIMER_MS_MAX)
  checkNumber('retry.factor', resolved.factor, 1, 1_000)
  checkWhole('retry.totalMs', resolved.totalMs, 0, TIMER_MS_MAX)
  return resolved
}

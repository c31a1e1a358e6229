import { resolve } from 'node:path'
import { checkBoolean, checkOptions, checkWhole, invalidArgument, TIMER_MS_MAX } from '../checks'
import { checkConnection, type PostgresConnection } from '../postgres/connection'
import { parseTableName, quoteIdentifier, type TableName } from '../postgres/identifiers'
import { checkCodec } from '../slice/codec'
import type { Codec } from '../slice/types'
import { checkKeepPolicy, type KeepPolicy } from './retention'
import type { Layout } from './postgres-layout'

/** How a PostgresStore stores slices. */
export interface PostgresStoreOptions {
  /** A `postgres://` URL, or what `pg` takes: host, port, database, user, password (or a function for it), ssl. */
  readonly connection: PostgresConnection
  /** Names the owner: stores of several servers can share a schema under different names. Default `default`. */
  readonly name?: string
  /** Where tables are that are not mapped elsewhere; it must exist. Default `public`. */
  readonly schema?: string
  /**
   * Where the rows of a slice's tables go, by the table's name in the slice: `{ order_slice: 'exchange.order_slice' }`.
   * `slice_history` maps the history. A table that is not mentioned goes to the table of its name in `schema`. What
   * is missing is created; what exists must have a column `slice_id` of type int8 and fitting columns, and be an ordinary table
   * (or a partitioned one): what is unlogged, temporary, foreign or a view is refused, since it would lose slices.
   */
  readonly tables?: { readonly [table: string]: string | TableName }
  /** The keys of `meta()` that go into `slice_history`. Default `{ orderId: 'orderId', tradeId: 'tradeId' }`. */
  readonly history?: {
    /** The key whose value goes into the column `end_order_id`. */
    readonly orderId?: string
    /** The key whose value goes into the column `end_trade_id`. */
    readonly tradeId?: string
  }
  /** What `prune()` keeps. Default `{ count: 3 }`; `{}` keeps everything. */
  readonly keep?: KeepPolicy
  /** Take the place of an owner that still lives: it gets `ERR_FENCED`. Default false: `ERR_LOCKED`. */
  readonly takeover?: boolean
  /**
   * Milliseconds after which a connection that gives no answer counts as lost, 1 to 2^31 - 1. Default 30,000. What may
   * rightly take longer (COPY, reading, removing rows) is given its time as long as the server is seen to work on it. A
   * writer process that does not answer for so long is killed and replaced. Raise it for tables whose constraints are
   * only checked by the COMMIT.
   */
  readonly answerMs?: number
  /**
   * Write each slice to a file first, in `spoolDirectory`, and load it into the database afterwards, with retries: a slice
   * counts as saved once its file is durable. Default false.
   */
  readonly spool?: boolean
  /** Where the files of the spool are; needed with `spool`. One directory belongs to one store. */
  readonly spoolDirectory?: string
  /** How the child compresses the files of the spool. Default `none`. */
  readonly spoolCodec?: Codec
  /**
   * Told of each failed attempt to load a spooled slice, which is tried again; with id 0n, of one to remove old slices.
   * After `ERR_FENCED` nothing is tried any more.
   */
  readonly onSpoolError?: (error: unknown, sliceId: bigint) => void
}

export interface ResolvedPostgresOptions {
  readonly connection: PostgresConnection
  readonly owner: { readonly schema: string; readonly name: string }
  readonly layout: Layout
  readonly keep: KeepPolicy
  readonly takeover: boolean
  readonly answerMs: number
  readonly spool: SpoolOptions | undefined
}

export interface SpoolOptions {
  readonly directory: string
  readonly codec: Codec
  readonly onError: (error: unknown, sliceId: bigint) => void
}

const KEYS: readonly (keyof PostgresStoreOptions)[] = [
  'connection',
  'name',
  'schema',
  'tables',
  'history',
  'keep',
  'takeover',
  'answerMs',
  'spool',
  'spoolDirectory',
  'spoolCodec',
  'onSpoolError',
]

const ANSWER_MS = 30_000

/** Fills in the defaults. Throws `ERR_INVALID_ARGUMENT`, naming the option. */
export function resolvePostgresOptions(options: PostgresStoreOptions): ResolvedPostgresOptions {
  checkOptions('options', options, KEYS)
  const { connection, name = 'default', schema = 'public', keep = { count: 3 }, takeover = false } = options
  const { answerMs = ANSWER_MS } = options
  checkConnection(connection)
  checkText('name', name)
  checkText('schema', schema)
  checkKeepPolicy(keep)
  checkBoolean('takeover', takeover)
  checkWhole('answerMs', answerMs, 1, TIMER_MS_MAX)
  return {
    connection,
    owner: { schema, name: `slices:${name}` },
    layout: layoutOf(name, schema, options),
    keep,
    takeover,
    answerMs,
    spool: spoolOf(options),
  }
}

function layoutOf(name: string, schema: string, options: PostgresStoreOptions): Layout {
  const { tables = {}, history = {} } = options
  checkOptions('history', history, ['orderId', 'tradeId'])
  if (typeof tables !== 'object' || tables === null) throw invalidArgument('tables', 'an object', tables)
  const entries = Object.entries(tables).map(
    ([table, value]) => [table, parseTableName(`tables.${table}`, value, schema)] as const,
  )
  const { orderId = 'orderId', tradeId = 'tradeId' } = history
  return { store: name, schema, tables: Object.fromEntries(entries), orderIdKey: orderId, tradeIdKey: tradeId }
}

function spoolOf(options: PostgresStoreOptions): SpoolOptions | undefined {
  const { spool = false, spoolDirectory, spoolCodec = 'none', onSpoolError } = options
  checkBoolean('spool', spool)
  if (!spool) return undefined
  if (typeof spoolDirectory !== 'string' || spoolDirectory === '' || spoolDirectory.includes('\0')) {
    throw invalidArgument('spoolDirectory', 'the path of a directory, since spool is true', spoolDirectory)
  }
  checkCodec(spoolCodec)
  const onError = (error: unknown, sliceId: bigint): void => {
    try {
      onSpoolError?.(error, sliceId)
    } catch (thrown) {
      // The loading goes on, and the listener's own error surfaces like any uncaught one.
      process.nextTick(() => {
        throw thrown
      })
    }
  }
  return { directory: resolve(spoolDirectory), codec: spoolCodec, onError }
}

function checkText(name: string, value: unknown): void {
  try {
    quoteIdentifier(value as string)
  } catch {
    throw invalidArgument(name, 'a text of 1 to 63 bytes of UTF-8 without NUL', value)
  }
}

import * as check from './checks'
import type { LogEntry, LogStart, OperationLog } from './oplog/oplog'
import { checkReach, replayLog, type RecoveredLog } from './recover-log'
import {
  restoreNewest,
  type BlobHandler,
  type PassedOver,
  type RecoveredSlice,
  type RestoreHandlers,
} from './recover-slice'
import { throwIfAborted } from './shared-work'
import { startTogether } from './start-together'
import type { SliceStore } from './store/store'

export type { RecoveredLog } from './recover-log'
export type {
  BlobHandler,
  FieldsHandler,
  PassedOver,
  RecoveredSlice,
  RestoreHandlers,
  RowHandler,
} from './recover-slice'

/** What a state is recovered from, and by which functions. What is wrong in it throws `ERR_INVALID_ARGUMENT`. */
export interface RecoverOptions {
  /** Where the slices are. */
  readonly store: SliceStore
  /** The log after the slice. Without it the state is the slice's. */
  readonly log?: OperationLog
  /**
   * What restores a row, by table: a function that takes an array of values, or `{ fields }` with one that takes a
   * `RowFields`, which comes several times as fast. Every table of the slice must have one; `() => {}` ignores it. They are
   * synchronous and called in the order of the slice. What they throw ends the recovery and passes through as it is.
   */
  readonly restore: RestoreHandlers
  /**
   * What restores a blob, by name: a function that takes its bytes, or `{ pieces }` with one that is told how many they are
   * and returns what takes them piece by piece. As for tables, every blob of the slice must have one.
   */
  readonly blobs?: { readonly [name: string]: BlobHandler }
  /**
   * Called once all rows and blobs are delivered and before the log's entries are: the place to compare a digest that
   * `slice.set` stored. What it throws ends the recovery.
   */
  readonly check?: (slice: RecoveredSlice) => unknown
  /**
   * Applies one entry of the log; needed with `log`. A promise is waited for, but costs time. Operations that the engine
   * refused when they were made are in the log too: catch its refusals here, since what this throws ends the recovery.
   */
  readonly replay?: (entry: LogEntry) => unknown
  /** Told how far it is, see `RecoverProgress`. */
  readonly onProgress?: (progress: RecoverProgress) => void
  /** Ends the recovery with `ERR_ABORTED`; what was delivered until then is no whole state. */
  readonly signal?: AbortSignal
  /**
   * Takes neither lock nor epoch and changes nothing, so that it works beside a running owner and without the native
   * addon. A damaged slice or a torn tail stays as it is. Default false.
   */
  readonly readOnly?: boolean
  /**
   * A log that ends before the newest slice does has lost entries or is not that slice's, and is refused with
   * `ERR_LOG_GAP`. True begins it anew after the slice (`log.reset(position)`), for those who lost it or have only now
   * begun to keep one. Default false.
   */
  readonly allowLogBehind?: boolean
}

/** How far it is; totals, not differences. Called for each chunk of the slice and each batch of the log. */
export type RecoverProgress =
  | {
      /** Rows and blobs are being restored; the reading that checked them is over. */
      readonly phase: 'slice'
      /** Id of the slice. */
      readonly sliceId: bigint
      /** Bytes of it that have been read. */
      readonly bytes: number
      /** Bytes that it has. */
      readonly bytesTotal: number
    }
  | {
      /** Entries of the log are being replayed. */
      readonly phase: 'log'
      /** How many have been. */
      readonly entries: number
      /** Id of the one that was replayed last. */
      readonly id: bigint
      /** Id of the last one that there is. */
      readonly lastId: bigint
    }

/** What was recovered. Times are in milliseconds. */
export interface RecoverReport {
  /** The slice that the state came from; missing if there was none. */
  readonly slice?: RecoveredSlice
  /** Newer slices that were damaged, newest first. */
  readonly passedOver: readonly PassedOver[]
  /** Missing without a log. */
  readonly log?: RecoveredLog
  /** Id of the last operation in the state; 0n if there is none. */
  readonly position: bigint
  /** All of it, the reading that checks the slice before anything of it is delivered included. */
  readonly totalMs: number
}

const KEYS: readonly (keyof RecoverOptions)[] = [
  'store',
  'log',
  'restore',
  'blobs',
  'check',
  'replay',
  'onProgress',
  'signal',
  'readOnly',
  'allowLogBehind',
]

/**
 * Gives a state back: the newest slice whose every checksum is right, then the log's entries after its position, in order
 * and without a gap. Store and log are started first, so that no other process can change them meanwhile, and stay so: the
 * caller closes them, after an error too. Nothing is delivered before the whole slice has been read and verified,
 * the handlers are known to be complete and the log is known to reach from the slice to its own end. A slice may be
 * larger than memory; no more than a chunk and a frame of it is held.
 *
 * Rejects with `ERR_LOG_GAP` if entries are missing between slice and log, `ERR_LOG_CORRUPT`, `ERR_SLICE_VERSION`,
 * `ERR_LOCKED`, `ERR_INVALID_ARGUMENT` (also for a table without a handler), `ERR_ABORTED`, the store's and the log's
 * errors, and what the handlers throw. After a rejection the engine's state counts for nothing: begin with a new one.
 */
export async function recover(options: RecoverOptions): Promise<RecoverReport> {
  checkOptions(options)
  const { store, log, signal, readOnly = false } = options
  const begun = performance.now()
  throwIfAborted(signal)
  const start = readOnly ? undefined : await startOwner(store, log)
  const reach = { started: !readOnly, allowBehind: options.allowLogBehind ?? false }
  const { slice, passedOver } = await restoreNewest(options, (info) => log && checkReach(log, info, reach))
  throwIfAborted(signal)
  if (slice !== undefined) await options.check?.(slice)
  const after = slice?.position ?? 0n
  const replayed = log && (await replayLog(log, options, after, start))
  return {
    ...(slice === undefined ? {} : { slice }),
    passedOver,
    ...(replayed === undefined ? {} : { log: replayed }),
    position: replayed?.last ?? after,
    totalMs: performance.now() - begun,
  }
}

async function startOwner(store: SliceStore, log: OperationLog | undefined): Promise<LogStart | undefined> {
  if (log !== undefined) return startTogether(store, log)
  await store.start()
  return undefined
}

function checkOptions(options: RecoverOptions): void {
  check.checkOptions('options', options, KEYS)
  const { store, log, blobs, check: checkSlice, replay, onProgress, signal, readOnly, allowLogBehind } = options
  check.checkMethods('store', store, ['start', 'list', 'open'])
  checkHandlers('restore', options.restore, checkRestoreHandler)
  if (blobs !== undefined) checkHandlers('blobs', blobs, checkBlobHandler)
  if (checkSlice !== undefined) check.checkFunction('check', checkSlice)
  if (log !== undefined) {
    check.checkMethods('log', log, ['start', 'read', 'reset'])
    check.checkFunction('replay (with a log)', replay)
  } else if (replay !== undefined) throw check.invalidArgument('log (with replay)', 'an operation log', log)
  if (onProgress !== undefined) check.checkFunction('onProgress', onProgress)
  check.checkSignal('signal', signal)
  if (readOnly !== undefined) check.checkBoolean('readOnly', readOnly)
  if (allowLogBehind !== undefined) check.checkBoolean('allowLogBehind', allowLogBehind)
}

function checkHandlers(
  name: string,
  handlers: { readonly [name: string]: unknown },
  checkOne: (name: string, handler: unknown) => void,
): void {
  if (typeof handlers !== 'object' || handlers === null) throw check.invalidArgument(name, 'an object', handlers)
  for (const [key, handler] of Object.entries(handlers)) checkOne(`${name}[${JSON.stringify(key)}]`, handler)
}

function checkRestoreHandler(name: string, handler: unknown): void {
  if (typeof handler === 'object' && handler !== null && 'fields' in handler) {
    check.checkOptions(name, handler, ['fields'])
    check.checkFunction(`${name}.fields`, handler.fields)
  } else check.checkFunction(name, handler)
}

function checkBlobHandler(name: string, handler: unknown): void {
  if (typeof handler === 'object' && handler !== null && 'pieces' in handler) {
    // An arena's table is one of these, so that other keys are its own.
    check.checkFunction(`${name}.pieces`, handler.pieces)
  } else check.checkFunction(name, handler)
}

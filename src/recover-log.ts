import { isThenable } from './checks'
import { ForksnapError, isForksnapError } from './errors'
import type { LogStart, OperationLog } from './oplog/oplog'
import type { RecoverOptions } from './recover'
import { throwIfAborted } from './shared-work'

/** What was replayed of an operation log. */
export interface RecoveredLog {
  /** First id that was replayed; the slice's position if there was none. */
  readonly first: bigint
  /** Last id that was replayed; the slice's position if there was none. */
  readonly last: bigint
  /** How many were replayed. */
  readonly entries: number
  /** How long it took, in milliseconds. */
  readonly ms: number
  /** A torn tail that was cut: what a crash left half written and nobody was told to be durable. */
  readonly cut?: NonNullable<LogStart['cut']>
}

/** Throws `ERR_LOG_GAP` unless the log holds all that follows a slice, or, without one, all that there ever was. */
export async function checkReach(
  log: OperationLog,
  slice: { readonly position: bigint; readonly sliceId: bigint } | undefined,
  options: { readonly started: boolean; readonly allowBehind: boolean },
): Promise<void> {
  const position = slice?.position ?? 0n
  // A log that is not started does not know its end.
  if (options.started && log.lastId < position) {
    if (!options.allowBehind) throw behind(log.lastId, position, slice?.sliceId)
    await log.reset(position)
    return
  }
  const firstId = await firstIdAfter(log, position)
  if (firstId > position + 1n) throw missing(firstId, position, slice?.sliceId)
}

/** Id of the first entry after a position, or the one that would come next. `start()` may have been long ago. */
async function firstIdAfter(log: OperationLog, position: bigint): Promise<bigint> {
  try {
    for await (const [entry] of log.read(position)) if (entry !== undefined) return entry.id
  } catch (error) {
    // What is missing is told here together with the slice that needs it.
    if (!isForksnapError(error, 'ERR_LOG_GAP')) throw error
    throw new ForksnapError('ERR_LOG_GAP', `${neededFrom(position)}: ${error.message}`, { cause: error })
  }
  return log.lastId > position ? log.lastId + 1n : position + 1n
}

/** Delivers the entries after a position, each the one after the one before it. */
export async function replayLog(
  log: OperationLog,
  { replay, onProgress, signal }: RecoverOptions,
  after: bigint,
  start: LogStart | undefined,
): Promise<RecoveredLog> {
  const begun = performance.now()
  const lastId = log.lastId
  let last = after
  let entries = 0
  for await (const batch of log.read(after)) {
    for (const entry of batch) {
      if (entry.id !== last + 1n) throw notContiguous(last, entry.id)
      const result = replay?.(entry)
      if (isThenable(result)) await result
      last = entry.id
    }
    entries += batch.length
    onProgress?.({ phase: 'log', entries, id: last, lastId: last > lastId ? last : lastId })
    throwIfAborted(signal)
  }
  if (last < lastId) throw notContiguous(last, lastId)
  const first = entries === 0 ? last : after + 1n
  return {
    first,
    last,
    entries,
    ms: performance.now() - begun,
    ...(start?.cut === undefined ? {} : { cut: start.cut }),
  }
}

function behind(lastId: bigint, position: bigint, sliceId: bigint | undefined): ForksnapError {
  const message =
    `The log ends at entry ${lastId}, but slice ${sliceId} holds the state after entry ${position}: the log has lost entries ` +
    'or belongs to another store. Name the right log or bring its files back; if they are lost or there never were any, ' +
    'recover with allowLogBehind: true, which begins the log anew after the slice'
  return new ForksnapError('ERR_LOG_GAP', message)
}

function missing(firstId: bigint, position: bigint, sliceId: bigint | undefined): ForksnapError {
  const from = sliceId === undefined ? 'there is no slice' : `the newest good slice, ${sliceId}, is at ${position}`
  const message =
    `The log begins with entry ${firstId}, but ${from}: entries ${position + 1n} to ${firstId - 1n} are missing. ` +
    'Bring back the slices or the part of the log that was removed; see whether store and log belong together'
  return new ForksnapError('ERR_LOG_GAP', message)
}

function neededFrom(position: bigint): string {
  const slice = position === 0n ? 'There is no slice' : `The newest good slice is at ${position}`
  return `${slice}, so the log is needed from entry ${position + 1n} on`
}

function notContiguous(last: bigint, found: bigint): ForksnapError {
  const message = `The log has no entry ${last + 1n} between ${last} and ${found}; restore the log from a copy`
  return new ForksnapError('ERR_LOG_GAP', message)
}

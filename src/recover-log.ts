import { isThenable } from './checks'
import { ForksnapError } from './errors'
import type { LogStart, OperationLog } from './oplog/oplog'
import type { RecoverOptions } from './recover'
import { throwIfAborted } from './shared-work'

export interface RecoveredLog {
  /** First and last id that was replayed; both are the slice's position if there was none. */
  readonly first: bigint
  readonly last: bigint
  /** How many were replayed. */
  readonly entries: number
  readonly ms: number
  /** A torn tail that was cut: what a crash left half written and nobody was told to be durable. */
  readonly cut?: NonNullable<LogStart['cut']>
}

export interface OpenedLog {
  readonly start: LogStart
  /** Throws `ERR_LOG_GAP` unless the log holds all that follows the position; undefined: all that there ever was. */
  check(position: bigint | undefined, sliceId: bigint | undefined): Promise<void>
}

/** Takes the log's lock and finds its ends. */
export async function openLog(log: OperationLog, allowBehind: boolean): Promise<OpenedLog> {
  const start = await log.start()
  return {
    start,
    async check(position = 0n, sliceId) {
      if (log.lastId < position) {
        if (!allowBehind) throw behind(log.lastId, position, sliceId)
        await log.reset(position)
        return
      }
      // An empty log is one that begins with the entry that it will get next.
      const firstId = start.firstId === 0n ? log.lastId + 1n : start.firstId
      if (firstId > position + 1n) throw missing(firstId, position, sliceId)
    },
  }
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
    throwIfAborted(signal)
    for (const entry of batch) {
      if (entry.id !== last + 1n) throw notContiguous(last, entry.id)
      const result = replay?.(entry)
      if (isThenable(result)) await result
      last = entry.id
    }
    entries += batch.length
    onProgress?.({ phase: 'log', entries, id: last, lastId: last > lastId ? last : lastId })
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

function notContiguous(last: bigint, found: bigint): ForksnapError {
  const message = `The log has no entry ${last + 1n} between ${last} and ${found}; restore the log from a copy`
  return new ForksnapError('ERR_LOG_GAP', message)
}

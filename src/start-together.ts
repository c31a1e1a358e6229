import type { LogStart, OperationLog } from './oplog/oplog'
import type { SliceStore } from './store/store'

/**
 * Starts an engine's store and log, with both locks before either epoch: whoever is refused the second lock must not
 * have fenced the first one's owner, who lives and is only about to connect again. Resolves with what the log found.
 * Rejects with `ERR_LOCKED` and whatever else a start may; close both then.
 */
export async function startTogether(store: SliceStore, log: OperationLog): Promise<LogStart> {
  await store.acquire?.()
  await log.acquire?.()
  // A start that takes the lock only now may still be refused, and what has `acquire` raises its epoch.
  const logFirst = store.acquire !== undefined && log.acquire === undefined
  if (!logFirst) await store.start()
  const found = await log.start()
  if (logFirst) await store.start()
  return found
}

import type { CleanupStep } from './events'
import { step } from './failpoint'
import type { DurableLog } from './options'
import type { SliceStore } from './store/store'

/**
 * What follows the publication of a slice: old ones are removed, and the log is pruned behind those that are kept. A
 * failure here is told and takes nothing back, since the new slice is safe.
 */
export async function removeOld(
  store: SliceStore,
  log: DurableLog | undefined,
  hooks: { pruned(sliceIds: readonly bigint[]): void; failed(step: CleanupStep, error: unknown): void },
): Promise<void> {
  try {
    const sliceIds = await step('snapshot.retention', () => store.prune())
    if (sliceIds.length > 0) hooks.pruned(sliceIds)
  } catch (error) {
    // The log must reach back to every slice that there still is, and which those are is not known now.
    hooks.failed('retention', error)
    return
  }
  if (log?.prune === undefined) return
  try {
    const position = oldestPosition(await store.list())
    if (position !== undefined) await step('snapshot.log-prune', async () => log.prune?.(position))
  } catch (error) {
    hooks.failed('log', error)
  }
}

/** The position up to which no kept slice needs the log; undefined without slices. */
function oldestPosition(slices: readonly { readonly position: bigint }[]): bigint | undefined {
  return slices
    .map((slice) => slice.position)
    .reduce<bigint | undefined>(
      (oldest, position) => (oldest === undefined || position < oldest ? position : oldest),
      undefined,
    )
}

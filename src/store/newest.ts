import { type ForksnapError, isForksnapError } from '../errors'
import type { SliceInfo, SliceSource, SliceStore } from './store'

/** Which slices `openNewest` looks at. */
export interface OpenNewestOptions {
  /** Told of each damaged slice that was passed over, newest first. */
  onBroken?(info: SliceInfo, error: ForksnapError): void
  /**
   * Slices of epochs before this one do not count: a reset began the later epoch, and their state must not come back.
   * Default: the store's `resetEpoch` if it has one, else its epoch.
   */
  readonly fromEpoch?: bigint
}

const RELISTS_MAX = 10

/**
 * Opens the newest slice whose every checksum is right, or resolves with null if the epoch has none. It reads each
 * candidate in full before it returns it, so that a reader that goes on to restore from it never stops halfway.
 * Damaged slices are passed over; anything else (a newer format, an unsafe path, a failing disk) is thrown, since an
 * older slice would then quietly take the place of a good one. The caller closes the source.
 */
export async function openNewest(store: SliceStore, options: OpenNewestOptions = {}): Promise<SliceSource | null> {
  for (let relists = 0; ; relists++) {
    const infos = await store.list() // Before the epoch is asked for: a store that only reads learns it by listing.
    const fromEpoch = options.fromEpoch ?? store.resetEpoch ?? store.epoch
    const candidates = infos.filter((info) => info.epoch >= fromEpoch)
    try {
      return await firstGood(store, candidates, options)
    } catch (error) {
      // The slice was removed after it was listed, which happens where another process owns the store: look again.
      if (!isForksnapError(error, 'ERR_SLICE_NOT_FOUND') || relists === RELISTS_MAX) throw error
    }
  }
}

async function firstGood(
  store: SliceStore,
  newestFirst: readonly SliceInfo[],
  options: OpenNewestOptions,
): Promise<SliceSource | null> {
  for (const info of newestFirst) {
    try {
      return await openVerified(store, info.sliceId)
    } catch (error) {
      if (!isForksnapError(error, 'ERR_SLICE_CORRUPT')) throw error
      options.onBroken?.(info, error)
    }
  }
  return null
}

async function openVerified(store: SliceStore, sliceId: bigint): Promise<SliceSource> {
  const source = await store.open(sliceId)
  try {
    await source.verify()
    return source
  } catch (error) {
    await source.close()
    throw error
  }
}

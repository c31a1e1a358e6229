import type { SliceInfo, SliceStore } from 'forksnap'
import { errorText } from './error-text'
import { watch, type WatchedSnapshotter } from './watch'

/** What the store holds, as it was after the last save. */
export interface StoreFigures {
  readonly kind: string
  readonly epoch: string
  /** Published slices; null as long as the store has not told. */
  readonly slices: number | null
  readonly bytes: number | null
  readonly newest: { readonly sliceId: string; readonly createdAt: number; readonly location: string } | null
  /** Why the store could not tell. */
  readonly error: string | null
}

/**
 * Knows the slices of a store without asking it at every look at the page: a database would feel that. It asks after
 * each save, good or bad, and one question at a time.
 */
export class StoreSlices {
  private slices: readonly SliceInfo[] | undefined
  private error: string | null = null
  private asking = false
  readonly stop: () => void

  constructor(
    private readonly store: SliceStore,
    snapshotter: WatchedSnapshotter,
  ) {
    this.stop = watch(snapshotter, { saved: () => this.ask(), failed: () => this.ask() })
    this.ask()
  }

  get figures(): StoreFigures {
    const { store, slices, error } = this
    const newest = slices?.[0]
    return {
      kind: store.kind,
      epoch: String(store.epoch),
      slices: slices?.length ?? null,
      bytes: slices?.reduce((sum, { bytes }) => sum + bytes, 0) ?? null,
      newest:
        newest === undefined
          ? null
          : { sliceId: String(newest.sliceId), createdAt: newest.createdAt.getTime(), location: newest.location },
      error,
    }
  }

  private ask(): void {
    if (this.asking) return
    this.asking = true
    void this.list().finally(() => (this.asking = false))
  }

  private async list(): Promise<void> {
    try {
      this.slices = await this.store.list()
      this.error = null
    } catch (error) {
      this.error = errorText(error)
    }
  }
}

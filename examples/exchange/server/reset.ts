import {
  isForksnapError,
  type OperationLog,
  type SliceInfo,
  type SliceSink,
  type SliceSource,
  type SliceStore,
  startTogether,
} from 'forksnap'

/*
 * A reset empties two places, the slices and the log, and must not stop between them: slices without their log or a log
 * without its slices would be no state at all. So the log's last entry says first, durably, that everything before it
 * is to be forgotten. From then on the reset is decided, and a start that finds that entry at the end finishes it.
 */

const METHOD = 'debug_reset'

export async function markReset(log: OperationLog): Promise<void> {
  log.append({ method: METHOD, params: {} })
  await log.sync()
}

/** Finishes a reset that a crash has interrupted. Starts store and log. Resolves with whether there was one. */
export async function finishReset(store: SliceStore, log: OperationLog): Promise<boolean> {
  await startTogether(store, log)
  if (!(await endsWithMark(log))) return false
  await store.beginEpoch()
  await log.reset()
  return true
}

async function endsWithMark(log: OperationLog): Promise<boolean> {
  if (log.lastId === 0n) return false
  let method: string | undefined
  try {
    for await (const batch of log.read(log.lastId - 1n)) method = batch.at(-1)?.method
  } catch (error) {
    // The last entry may have been pruned behind a slice; the mark never is.
    if (!isForksnapError(error, 'ERR_LOG_GAP')) throw error
  }
  return method === METHOD
}

/**
 * A store whose new epoch comes with something else: the Snapshotter keeps every snapshot out until `beginEpoch` has
 * resolved, so that none sees a state that is half reset.
 */
export class ResettableStore implements SliceStore {
  constructor(
    private readonly inner: SliceStore,
    private readonly afterNewEpoch: () => Promise<void>,
  ) {}

  get kind(): string {
    return this.inner.kind
  }

  get epoch(): bigint {
    return this.inner.epoch
  }

  get resetEpoch(): bigint {
    return this.inner.resetEpoch ?? this.inner.epoch
  }

  async beginEpoch(): Promise<bigint> {
    const epoch = await this.inner.beginEpoch()
    await this.afterNewEpoch()
    return epoch
  }

  start(): Promise<void> {
    return this.inner.start()
  }

  create(): Promise<SliceSink> {
    return this.inner.create()
  }

  list(): Promise<SliceInfo[]> {
    return this.inner.list()
  }

  open(sliceId: bigint): Promise<SliceSource> {
    return this.inner.open(sliceId)
  }

  remove(sliceId: bigint): Promise<void> {
    return this.inner.remove(sliceId)
  }

  prune(): Promise<bigint[]> {
    return this.inner.prune()
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}

import {
  recover,
  type LogEntry,
  type OperationLog,
  type RecoverProgress,
  type RecoverReport,
  type SliceStore,
} from 'forksnap'
import { digest } from './digest'
import type { Engine } from './engine'
import { ExchangeError } from './errors'
import type { Operation } from './operations'
import { OrderTableRestorer } from './order-table'
import { checkState, restoreHandlers } from './restore'

export interface RecoverySettings {
  readonly store: SliceStore
  readonly log: OperationLog | undefined
  /** Told of each operation of the log before it is applied. */
  readonly onReplay?: (operation: Operation) => void
  readonly onProgress?: (progress: RecoverProgress) => void
  /** See `RecoverOptions`. */
  readonly allowLogBehind?: boolean
}

/**
 * Recovers the state into an engine that was just made, from the newest good slice and the log after it. The digest of
 * what came out of the slice must be the one that the child stored, and the result must be a state that can be.
 */
export async function recoverState(engine: Engine, settings: RecoverySettings): Promise<RecoverReport> {
  const { store, log, onReplay, onProgress, allowLogBehind = false } = settings
  const table = new OrderTableRestorer(engine)
  const checkSlice = checkDigest(engine)
  const options = {
    store,
    restore: { ...restoreHandlers(engine), ...table.restore },
    blobs: table.blobs,
    check: (slice: NonNullable<RecoverReport['slice']>): void => {
      table.finish()
      checkSlice(slice)
    },
    ...(onProgress === undefined ? {} : { onProgress }),
  }
  const replay = (entry: LogEntry): void => {
    const operation = entry as unknown as Operation
    onReplay?.(operation)
    replayOperation(engine, operation)
  }
  const report = await recover(log === undefined ? options : { ...options, log, replay, allowLogBehind })
  if (report.log !== undefined && report.log.entries > 0) checkState(engine)
  return report
}

function checkDigest(engine: Engine) {
  return ({ sliceId, values }: NonNullable<RecoverReport['slice']>): void => {
    checkState(engine)
    const found = digest(engine)
    if (found !== values.digest) throw new Error(`slice ${sliceId}: its state's digest is ${found}, not the stored one`)
  }
}

/** What was refused when it was asked for may be in the log too, and is refused again. */
function replayOperation(engine: Engine, operation: Operation): void {
  try {
    engine.replay(operation)
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error
  }
}

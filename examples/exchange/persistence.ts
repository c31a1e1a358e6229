import {
  recover,
  type LogEntry,
  type OperationLog,
  type RecoverProgress,
  type RecoverReport,
  type SliceMeta,
  type SliceStore,
  type SliceWriter,
} from 'forksnap'
import { LoggedEngine } from './demo-engine'
import { digest } from './digest'
import type { Engine } from './engine'
import { ExchangeError } from './errors'
import { Flow, type FlowState } from './flow'
import type { Operation } from './operations'
import { checkState, restoreHandlers } from './restore'
import { writeState } from './state'

/** What a slice says of itself beside its rows. */
export interface DemoMeta extends SliceMeta {
  /** Id of the last operation in the state. */
  readonly position: bigint
  /** Ids given last, for the history of the slices. */
  readonly orderId: number
  readonly tradeId: number
  /** The flow's state, as JSON text. */
  readonly flow: string
  /** The number of resting orders that a filling was stopped on its way to. */
  readonly fillTo?: number
}

export function metaOf(engine: Engine, flow: Flow): DemoMeta {
  const { orderId, tradeId } = engine
  return { position: BigInt(flow.state.operationId), orderId, tradeId, flow: JSON.stringify(flow.state) }
}

/** What the Snapshotter's child writes: the state, and its digest into the trailer. */
export function writeEngine(engine: Engine, slice: SliceWriter): undefined {
  slice.set('digest', writeState(engine, slice))
}

export interface Recovered {
  readonly engine: LoggedEngine
  readonly flow: Flow
  readonly report: RecoverReport
}

export interface RecoverSettings {
  readonly store: SliceStore
  readonly log: OperationLog | undefined
  /** For a flow of which no slice knows anything. */
  readonly seed: number
  /** See `allowLogBehind` of `recover`: for a log that was not kept for a while. Without it a lost log is an error. */
  readonly newLog?: boolean
  readonly onProgress: (progress: RecoverProgress) => void
}

/**
 * Recovers a new engine from the newest good slice and the log after it, and logs what it applies from now on. The digest
 * of what came out of the slice must be the one that the child stored.
 */
export async function recoverEngine(settings: RecoverSettings): Promise<Recovered> {
  const { store, log, seed, newLog = false, onProgress } = settings
  const engine = new LoggedEngine()
  const replay = new Replay(engine)
  const options = { store, restore: restoreHandlers(engine), check: checkDigest(engine), onProgress }
  const report = await recover(
    log === undefined ? options : { ...options, log, replay: (entry) => replay.apply(entry), allowLogBehind: newLog },
  )
  if (report.log !== undefined && report.log.entries > 0) checkState(engine)
  engine.logTo(log)
  return { engine, flow: replay.flow(report, seed), report }
}

function checkDigest(engine: Engine) {
  return ({ sliceId, values }: NonNullable<RecoverReport['slice']>): void => {
    checkState(engine)
    const found = digest(engine)
    if (found !== values.digest) throw new Error(`slice ${sliceId}: its state's digest is ${found}, not the stored one`)
  }
}

/** Applies entries of the log, and learns from them what the flow has to know. */
class Replay {
  private businessId = 0

  constructor(private readonly engine: Engine) {}

  apply({ id, time, method, params }: LogEntry): void {
    const operation = { id, time, method, params } as unknown as Operation
    if (operation.method === 'balance_update') this.businessId = Number(operation.params.business_id)
    try {
      this.engine.apply(operation)
    } catch (error) {
      // What was refused when it was asked for is in the log too, and is refused again.
      if (!(error instanceof ExchangeError)) throw error
    }
  }

  /** The flow of the slice, moved on to behind the log; a new one if there was no slice. */
  flow({ slice, position }: RecoverReport, seed: number): Flow {
    const { engine } = this
    const { state } = new Flow(engine, { seed })
    const saved = slice === undefined ? state : (JSON.parse(slice.meta.flow as string) as FlowState)
    const businessId = Math.max(saved.businessId, this.businessId)
    return new Flow(engine, { ...saved, operationId: Number(position), businessId })
  }
}

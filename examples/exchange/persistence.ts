import type { OperationLog, RecoverProgress, RecoverReport, SliceMeta, SliceStore, SliceWriter } from 'forksnap'
import { LoggedEngine } from './demo-engine'
import type { Engine, StateKind } from './engine'
import { Flow, type FlowState } from './flow'
import { recoverState } from './recovery'
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

/** What the Snapshotter's child writes. */
export function writeEngine(engine: Engine, slice: SliceWriter): undefined {
  writeState(engine, slice)
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
  /** Where the engine keeps its orders. Default `'heap'`. */
  readonly state?: StateKind
  readonly onProgress: (progress: RecoverProgress) => void
}

/**
 * Recovers a new engine and its flow, see `recoverState`, and logs what the engine applies from now on.
 */
export async function recoverEngine(settings: RecoverSettings): Promise<Recovered> {
  const { store, log, seed, newLog = false, state = 'heap', onProgress } = settings
  const engine = new LoggedEngine({ state })
  let businessId = 0
  const report = await recoverState(engine, {
    store,
    log,
    onProgress,
    allowLogBehind: newLog,
    onReplay: ({ method, params }) => {
      if (method === 'balance_update') businessId = Number(params.business_id)
    },
  })
  engine.logTo(log)
  return { engine, flow: recoveredFlow(engine, report, seed, businessId), report }
}

/** The flow of the slice, moved on to behind the log; a new one if there was no slice. */
function recoveredFlow(engine: Engine, { slice, position }: RecoverReport, seed: number, businessId: number): Flow {
  const { state } = new Flow(engine, { seed })
  const saved = slice === undefined ? state : (JSON.parse(slice.meta.flow as string) as FlowState)
  return new Flow(engine, {
    ...saved,
    operationId: Number(position),
    businessId: Math.max(saved.businessId, businessId),
  })
}

import { openNewest, type SliceMeta, type SliceStore, type SliceWriter } from 'forksnap'
import { digest } from './digest'
import { Engine } from './engine'
import { Flow, type FlowState } from './flow'
import { checkState, restoreHandlers } from './restore'
import { writeState, type TableName } from './state'

/** What a slice says of itself beside its rows. */
export interface DemoMeta extends SliceMeta {
  /** Id of the last operation in the state. */
  readonly position: bigint
  /** The flow's state, as JSON text. */
  readonly flow: string
}

export function metaOf(flow: Flow): DemoMeta {
  return { position: BigInt(flow.state.operationId), flow: JSON.stringify(flow.state) }
}

/** What the Snapshotter's child writes: the state, and its digest into the trailer. */
export function writeEngine(engine: Engine, slice: SliceWriter): undefined {
  slice.set('digest', writeState(engine, slice))
}

export interface Restored {
  readonly engine: Engine
  readonly flow: Flow
  readonly sliceId: bigint
  readonly rows: number
  readonly bytes: number
  readonly digest: string
  /** Damaged slices that had to be passed over, as their errors' messages. */
  readonly passedOver: readonly string[]
}

function textOf(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new Error(`the slice has no ${name}: another program wrote it`)
  return value
}

/**
 * Restores the newest good slice into a new engine and compares the digest of what came out with the one that the
 * child stored. Resolves with null if there is no slice; throws if the digests differ.
 */
export async function restoreNewest(
  store: SliceStore,
  onProgress: (bytes: number, total: number) => void,
): Promise<Restored | null> {
  const passedOver: string[] = []
  const source = await openNewest(store, { onBroken: (_info, error) => passedOver.push(error.message) })
  if (source === null) return null
  try {
    const engine = new Engine()
    const handlers = restoreHandlers(engine)
    const { meta } = source.header
    const trailer = await source.read({
      row: (table, values) => handlers[table as TableName](values),
      progress: onProgress,
    })
    checkState(engine)
    const found = digest(engine)
    const { sliceId } = source.header
    const stored = textOf(trailer.values.digest, 'digest')
    if (found !== stored) throw new Error(`slice ${sliceId}: the restored state's digest is ${found}, not ${stored}`)
    const flow = new Flow(engine, JSON.parse(textOf(meta.flow, 'flow')) as FlowState)
    return { engine, flow, sliceId, rows: trailer.rows, bytes: trailer.bytes, digest: found, passedOver }
  } finally {
    await source.close()
  }
}

import type { OperationLog } from 'forksnap'
import { errorText } from './error-text'
import type { SnapshotHistory, SnapshotRow } from './history'
import type { DelaySamples, LoopDelay } from './loop-delay'
import type { EngineFigures, StatusSource } from './source'
import type { StoreFigures, StoreSlices } from './store-slices'

export interface LogFigures {
  readonly kind: string
  readonly lastId: string
  readonly durableId: string
  /** Entries that are appended and not durable yet. */
  readonly pending: number
  readonly failure: string | null
}

/** What `/status.json` answers. Times of day are in milliseconds since the epoch. */
export interface StatusView {
  readonly now: number
  readonly startedAt: number
  readonly engine: EngineFigures
  readonly writesRefused: string | null
  readonly health: { readonly ok: boolean; readonly reason: string | null; readonly since: number | null }
  readonly changesSinceLastSave: number
  readonly lastSaveTime: number | null
  readonly saves: number
  readonly failures: number
  readonly snapshots: readonly SnapshotRow[]
  readonly store: StoreFigures
  readonly log: LogFigures | null
  readonly delay: DelaySamples
}

export interface Gathered {
  readonly source: StatusSource
  readonly history: SnapshotHistory
  readonly slices: StoreSlices
  readonly delay: LoopDelay
}

const STARTED_AT = Math.round(performance.timeOrigin)

/** All that the page shows; of the event loop's delay only the samples from number `since` on. */
export function statusView({ source, history, slices, delay }: Gathered, since: number): StatusView {
  const { ok, reason = null, since: failingSince = null } = source.snapshotter.health
  const { changesSinceLastSave, lastSaveTime, saves, failures } = source.snapshotter.stats
  return {
    now: Date.now(),
    startedAt: STARTED_AT,
    engine: source.engine(),
    writesRefused: source.writesRefused() ?? null,
    health: { ok, reason, since: failingSince },
    changesSinceLastSave,
    lastSaveTime,
    saves,
    failures,
    snapshots: history.rows,
    store: slices.figures,
    log: source.log === undefined ? null : logFigures(source.log),
    delay: delay.since(since),
  }
}

function logFigures({ kind, lastId, durableId, failure }: OperationLog): LogFigures {
  return {
    kind,
    lastId: String(lastId),
    durableId: String(durableId),
    pending: Number(lastId - durableId),
    failure: failure === undefined ? null : errorText(failure),
  }
}

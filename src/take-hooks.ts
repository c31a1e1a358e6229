import type { SnapshotterEvents } from './events'
import type { Flight } from './flights'
import type { SliceMeta } from './slice/types'
import type { StatsKeeper } from './stats'
import type { TakeHooks } from './take-slice'

/** What of a save is told beyond the figures. */
export interface TakeListeners<M extends SliceMeta> extends Pick<TakeHooks, 'cancelFailed' | 'newestPosition'> {
  readonly tell: <K extends keyof SnapshotterEvents<M>>(event: K, ...args: SnapshotterEvents<M>[K]) => void
}

/** Notes the steps of a save in the flight and the figures, and tells of them. */
export function takeHooks<M extends SliceMeta>(
  flight: Flight<M>,
  stats: StatsKeeper,
  { tell, newestPosition, cancelFailed }: TakeListeners<M>,
): TakeHooks {
  const { reason } = flight
  return {
    warmedUp: ({ rows, ms }) => stats.warmedUp(rows, ms),
    longestGap: (ms) => stats.longestGap(ms),
    newestPosition,
    forking: () => {
      stats.forking()
      flight.forked = true
    },
    forked: (info, sliceId) => {
      stats.forked(info)
      tell('forked', { ...info, sliceId, reason })
    },
    progress: (progress, sliceId) => {
      stats.progress(progress)
      tell('progress', { ...progress, sliceId })
    },
    busy: (event) => {
      flight.forked = false
      stats.busy()
      tell('busy', event)
    },
    cancelFailed,
  }
}

import type { Snapshotter, SnapshotterEvents } from 'forksnap'

/** What is looked at of a Snapshotter, whatever its slices say of themselves. `watch` calls `on` and `off`. */
export interface WatchedSnapshotter extends Pick<Snapshotter, 'stats' | 'health'> {
  on(event: never, listener: never): unknown
  off(event: never, listener: never): unknown
}

type Listeners = { readonly [K in keyof SnapshotterEvents]?: (...args: SnapshotterEvents[K]) => void }

/** Listens to these events; returns what ends it. */
export function watch(snapshotter: WatchedSnapshotter, listeners: Listeners): () => void {
  const entries = Object.entries(listeners) as [never, never][]
  for (const [event, listener] of entries) snapshotter.on(event, listener)
  return () => {
    for (const [event, listener] of entries) snapshotter.off(event, listener)
  }
}

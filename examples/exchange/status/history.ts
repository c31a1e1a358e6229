import { errorText } from './error-text'
import { watch, type WatchedSnapshotter } from './watch'

/** Snapshots that the page shows, and forks that its chart can mark: five seconds apart, these are eight minutes. */
const SNAPSHOTS_MAX = 100

/** One snapshot, as the page shows it. Times of day are in milliseconds since the epoch; null is what is not known (yet). */
export interface SnapshotRow {
  /** Counts the snapshots of this process from 1. */
  readonly number: number
  status: 'running' | 'saved' | 'failed' | 'aborted'
  sliceId: string | null
  /** What made it begin: the interval, a save point, a request, ... */
  readonly reason: string
  forkedAt: number | null
  endedAt: number | null
  pauseMs: number | null
  forkMs: number | null
  rows: number | null
  bytes: number | null
  cowBytes: number | null
  longestGapMs: number | null
  totalMs: number | null
  error: string | null
}

/** Remembers the last snapshots of a Snapshotter from what it tells. */
export class SnapshotHistory {
  private readonly list: SnapshotRow[] = []
  private count = 0
  readonly stop: () => void

  constructor(snapshotter: WatchedSnapshotter) {
    this.stop = watch(snapshotter, {
      forked: ({ sliceId, reason, pauseMs, forkMs }) =>
        this.update(reason, { sliceId: String(sliceId), forkedAt: Date.now(), pauseMs, forkMs }),
      progress: ({ rows, bytes, cowBytes }) => {
        if (this.list[0]?.status === 'running') Object.assign(this.list[0], { rows, bytes, cowBytes })
      },
      saved: ({ reason, rows, bytes, cowBytes, longestGapMs, totalMs }) =>
        this.end(reason, { status: 'saved', rows, bytes, cowBytes, longestGapMs, totalMs }),
      failed: (error, { reason }) => this.end(reason, { status: 'failed', error: errorText(error) }),
      aborted: (error, { reason }) => this.end(reason, { status: 'aborted', error: errorText(error) }),
    })
  }

  /** Newest first. */
  get rows(): readonly SnapshotRow[] {
    return this.list
  }

  private end(reason: string, figures: Partial<SnapshotRow>): void {
    this.update(reason, { ...figures, endedAt: Date.now() })
  }

  /** One snapshot at a time runs: it is the newest row, or has none yet if it was not even forked. */
  private update(reason: string, figures: Partial<SnapshotRow>): void {
    if (this.list[0]?.status !== 'running') this.add(reason)
    Object.assign(this.list[0] ?? {}, figures)
  }

  private add(reason: string): void {
    this.list.unshift({
      number: ++this.count,
      status: 'running',
      sliceId: null,
      reason,
      forkedAt: null,
      endedAt: null,
      pauseMs: null,
      forkMs: null,
      rows: null,
      bytes: null,
      cowBytes: null,
      longestGapMs: null,
      totalMs: null,
      error: null,
    })
    this.list.length = Math.min(this.list.length, SNAPSHOTS_MAX)
  }
}

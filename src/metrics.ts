import type { SnapshotterEvents } from './events'
import type { SnapshotterStats } from './stats'

/** What `forksnap/prometheus` makes of a Snapshotter, in base units: seconds and bytes. Names stand without their prefix. */

export interface StatMetric<Value> {
  readonly type: 'gauge' | 'counter'
  readonly name: string
  readonly help: string
  readonly read: (value: Value) => number
}

const counter = (name: string, help: string): StatMetric<number> => ({ type: 'counter', name, help, read: Number })
const gauge = <Value>(name: string, help: string, read: (value: Value) => number = Number): StatMetric<Value> => ({
  type: 'gauge',
  name,
  help,
  read,
})

const seconds = (ms: number | null): number => (ms ?? 0) / 1000
const isThere = (value: unknown): number => Number(value !== null)

/** The metric of each figure of the stats; undefined for what is no figure. */
export const STAT_METRICS: {
  readonly [K in keyof SnapshotterStats]-?: StatMetric<SnapshotterStats[K]> | undefined
} = {
  lastStatus: gauge('last_save_ok', 'Whether the last save succeeded; 1 before the first', (status) =>
    Number(status !== 'failed'),
  ),
  lastError: undefined,
  failingSince: gauge(
    'failing_since_timestamp_seconds',
    'Since when every save has failed, Unix time; 0: none',
    seconds,
  ),
  lastSaveTime: gauge(
    'last_success_timestamp_seconds',
    'When the last slice was published, Unix time; 0 before the first',
    seconds,
  ),
  lastSliceId: undefined,
  changesSinceLastSave: gauge('changes_since_last_save', 'Changes that no published slice holds'),
  inProgress: gauge('save_in_progress', 'Whether a snapshot is running'),
  currentRows: gauge('current_rows', 'Rows that the running child has written'),
  currentBytes: gauge('current_bytes', 'Bytes that the running child has written'),
  currentCowBytes: gauge('current_cow_bytes', 'What the running child and its parent have copied'),
  currentSeconds: gauge('current_save_seconds', 'Time since the running snapshot began'),
  latestForkUsec: gauge('last_fork_seconds', 'The system call fork() at the latest fork', (usec) => usec / 1e6),
  lastPauseMs: gauge('last_pause_seconds', 'The whole synchronous part of the latest fork', seconds),
  lastQuiesceMs: gauge(
    'last_quiesce_seconds',
    'Bringing the threads to rest for the latest fork, served all the time',
    seconds,
  ),
  longestGapMs: gauge(
    'last_longest_gap_seconds',
    'Longest time without a turn of the event loop during the last save',
    seconds,
  ),
  lastCowBytes: gauge('last_cow_bytes', 'What parent and child of the last save have copied'),
  lastFaults: gauge('last_parent_faults', 'Page faults of this process from the fork to the end of the last child'),
  lastCopiedBytesMax: gauge('last_parent_copied_bytes_max', 'At most so much this process copied for its own writes'),
  lastChildGapMs: gauge(
    'last_child_longest_gap_seconds',
    'Longest time without a turn of the event loop while the last child lived',
    seconds,
  ),
  lastChildDelayP50Ms: gauge(
    'last_child_loop_delay_p50_seconds',
    "The event loop's delay while the last child lived: its median",
    seconds,
  ),
  lastChildDelayP99Ms: gauge('last_child_loop_delay_p99_seconds', 'The same: its 99th percentile', seconds),
  lastChildDelayP999Ms: gauge('last_child_loop_delay_p999_seconds', 'The same: its 99.9th percentile', seconds),
  lastYoungGcs: gauge('last_child_young_gcs', 'Young collections of this process while the last child lived'),
  lastFullGcs: gauge('last_child_full_gcs', 'Full collections of this process while the last child lived'),
  lastSaveMs: gauge('last_save_seconds', 'From the beginning of the last save to its publication', seconds),
  lastWarmUpRows: gauge('last_warm_up_rows', 'Rows that the warm-up before the latest fork went through'),
  lastWarmUpMs: gauge('last_warm_up_seconds', 'Time that this warm-up took', seconds),
  saves: counter('saves_total', 'Saves that published a slice'),
  failures: counter('save_failures_total', 'Saves that failed'),
  aborted: counter('saves_aborted_total', 'Snapshots that were ended on purpose'),
  skipped: counter('saves_skipped_total', 'Ticks of the interval that found a snapshot running'),
  retries: counter('save_retries_total', 'Saves begun again after a failure'),
  scheduleStopped: gauge('schedule_stopped', 'Whether a newer owner has ended the schedule for good', isThere),
  busy: counter('fork_busy_total', 'Forks put off since threads were busy'),
  packedHeapBytes: gauge('packed_heap_bytes', 'Bytes of the V8 heap that are packed into huge pages'),
  cleanupFailures: counter('cleanup_failures_total', 'Failures that concern no slice: retention, pruning, cleaning up'),
  lastCleanupError: undefined,
}

export interface EventMetric<Event> {
  readonly name: string
  readonly help: string
  /** Upper ends of a histogram's buckets in the metric's unit; without them it is a gauge. */
  readonly buckets?: readonly number[]
  readonly read: (event: Event) => number
}

/** A pause is milliseconds to a second, a save seconds to minutes. */
const PAUSE_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
const SAVE_BUCKETS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500]

type ObservedEvents = Pick<SnapshotterEvents, 'forked' | 'saved'>

/** What the stats do not keep: distributions, and the last slice. */
export const EVENT_METRICS: { readonly [K in keyof ObservedEvents]: readonly EventMetric<ObservedEvents[K][0]>[] } = {
  forked: [
    {
      name: 'pause_seconds',
      help: 'The whole synchronous part of a fork',
      buckets: PAUSE_BUCKETS_S,
      read: ({ pauseMs }) => seconds(pauseMs),
    },
    {
      name: 'fork_seconds',
      help: 'The system call fork() alone',
      buckets: PAUSE_BUCKETS_S,
      read: ({ forkMs }) => seconds(forkMs),
    },
  ],
  saved: [
    {
      name: 'save_seconds',
      help: 'From the beginning of a save to its publication',
      buckets: SAVE_BUCKETS_S,
      read: ({ totalMs }) => seconds(totalMs),
    },
    { name: 'last_rows', help: 'Rows of the last slice', read: ({ rows }) => rows },
    { name: 'last_bytes', help: 'Length of the last slice', read: ({ bytes }) => bytes },
  ],
}

/** What a method of the comparison is, and what is known of each snapshot that it takes. */
import type { Delay, TimelinePoint, Turns } from './turns'

/**
 * `forks`: a child writes the state as it was at one instant. `stops`: all else waits until the state has been taken.
 * `inconsistent`: the state changes while it is written. `continuous`: no snapshots, every change is written at once.
 * `floor`: no method but the least that a fork can take.
 */
export type Kind = 'forks' | 'stops' | 'inconsistent' | 'continuous' | 'floor'

export interface Method {
  readonly id: string
  readonly label: string
  readonly kind: Kind
  /** In one sentence, for readers of the report. */
  readonly about: string
  /**
   * Memory that it may need for each record, in bytes, everything included: an estimate on the safe side, for the limit of
   * the heap and for what is not tried where memory is short.
   */
  readonly estimatedBytesPerRecord: number
  /** Most records that it can take, and why no more. */
  readonly most?: { readonly records: number; readonly reason: string }
}

/** One snapshot. Null is what a method does not have, or what cannot be known. */
export interface Sample {
  /** For so long nothing else was done, by the method's own account. */
  readonly pauseMs: number | null
  /** From the beginning until the state is in a file and synced. */
  readonly totalMs: number | null
  /** Length of that file. */
  readonly bytes: number | null
  /** Copy-on-write. */
  readonly copiedBytes: number | null
  /** How far the resident memory of the process rose meanwhile, garbage of the load included. */
  readonly extraBytes: number | null
  /** Operations a second in the second before, and meanwhile. */
  readonly rateBefore: number | null
  readonly rateDuring: number | null
  /** Of the event loop (Redis: of answers) in the second before, and meanwhile. */
  readonly delayBefore: Delay | null
  readonly delayDuring: Delay | null
  readonly timeline: readonly TimelinePoint[]
}

/** A sample of which nothing is known. */
export const NOTHING: Sample = {
  pauseMs: null,
  totalMs: null,
  bytes: null,
  copiedBytes: null,
  extraBytes: null,
  rateBefore: null,
  rateDuring: null,
  delayBefore: null,
  delayDuring: null,
  timeline: [],
}

/** What a method tells of a snapshot itself; the load and the clock tell the rest. */
export type Taken = Pick<Sample, 'pauseMs' | 'bytes' | 'copiedBytes'> & {
  /** Where it is not from the beginning of the snapshot to now. */
  readonly totalMs?: number
  /** Whether the process's own memory says what it took, as it does where nothing is copied by the kernel. */
  readonly ownMemory: boolean
}

/** A load that runs, and what is known of it. */
export interface Running extends Turns {
  /** Forgets what was recorded so far. */
  forget(): void
  stop(): Promise<void>
}

/** A method at work, in a process of its own. */
export interface Session {
  startLoad(): Running
  /** Takes a snapshot; resolves once the state is in a file and synced. */
  take(): Promise<Taken>
  /** Resolves once nothing of the last snapshot is going on. */
  settled?(): Promise<void>
  close?(): Promise<void>
}

/** Sets a method up with so many records. Files go to the folder, which is empty and is removed afterwards. */
export type Start = (records: number, folder: string) => Promise<Session>

import { channel, type Channel } from 'node:diagnostics_channel'
import type { PauseParts } from './fork-job'
import type { SaveReason } from './saved'

/**
 * What each of the process-wide channels of `node:diagnostics_channel` carries; they tell of every fork, whoever asked
 * for it (the bare `fork()` tells nothing). Times are in milliseconds. `error` stands where the step failed, and is the
 * error that its caller gets.
 */
export interface DiagnosticsMessages {
  'forksnap:quiesce': QuiesceMessage
  'forksnap:fork': ForkMessage
  'forksnap:child': ChildMessage
  'forksnap:commit': CommitMessage
}

/** The save that a fork is for; missing for `forkChild`. */
export interface SaveIdentity {
  readonly sliceId: bigint
  readonly reason: SaveReason
}

/** An attempt to bring the other threads to rest is over. */
export interface QuiesceMessage extends Partial<SaveIdentity> {
  /** From the start of the work to the fork, or to giving up; the loop was turning. */
  readonly quiesceMs: number
  /** For how long libuv's pool and V8's workers had been held by the fork; 0 with an error. */
  readonly parkedMs: number
  /** `ERR_NOT_QUIESCENT` or `ERR_ABORTED`. A save tries again after the former (`limits.busyMs`). */
  readonly error?: unknown
}

/** The parent goes on after a fork, or the system has refused it (`error`, and then nothing else but the save). */
export interface ForkMessage extends Partial<SaveIdentity> {
  readonly pid?: number
  /** The whole synchronous part in the parent; it was over before this message. */
  readonly pauseMs?: number
  /** The system call alone. */
  readonly forkMs?: number
  readonly pauseParts?: PauseParts
  /** `ERR_FORK_FAILED`. */
  readonly error?: unknown
}

/** The child has been reaped. */
export interface ChildMessage extends Partial<SaveIdentity> {
  readonly pid: number
  /** 0 to 255; null if a signal ended it, or nobody knows. */
  readonly exitCode: number | null
  /** Such as `SIGKILL`; null if it ended by itself, or nobody knows. */
  readonly signal: string | null
  /** From the fork to the child's end. */
  readonly childMs: number
  /** What it said that it had written. */
  readonly rows: number
  readonly bytes: number
  /** What parent and child have copied, in bytes, as the child last measured it. */
  readonly cowBytes: number
  readonly error?: unknown
}

/** The store has published a slice, or refused to. */
export interface CommitMessage extends SaveIdentity {
  /** The store's part alone: fsync and rename, or the transaction's end. */
  readonly commitMs: number
  /** These three are missing with an error. */
  readonly position?: bigint
  readonly epoch?: bigint
  /** Where the slice is, for people: a path, a table. */
  readonly location?: string
  readonly rows: number
  /** Length of the slice's stream. */
  readonly bytes: number
  readonly error?: unknown
}

export type DiagnosticsChannel = keyof DiagnosticsMessages

const CHANNELS: { readonly [K in DiagnosticsChannel]: Channel } = {
  'forksnap:quiesce': channel('forksnap:quiesce'),
  'forksnap:fork': channel('forksnap:fork'),
  'forksnap:child': channel('forksnap:child'),
  'forksnap:commit': channel('forksnap:commit'),
}

/**
 * Tells the subscribers of a channel, if there are any; else the message is not even made. Never throws: what a
 * subscriber throws is an uncaught exception of the next tick, as on each of Node's channels. Never to be called in a
 * pause, which a subscriber would prolong.
 */
export function publish<K extends DiagnosticsChannel>(name: K, message: () => DiagnosticsMessages[K]): void {
  const { [name]: to } = CHANNELS
  if (to.hasSubscribers) to.publish(message())
}

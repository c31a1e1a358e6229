import { channel, type Channel } from 'node:diagnostics_channel'
import type { PauseParts } from './fork-job'
import type { SaveReason } from './saved'

/**
 * What each of the process-wide channels of `node:diagnostics_channel` carries; they tell of every fork, whoever asked
 * for it (the bare `fork()` tells nothing). Times are in milliseconds. `error` stands where the step failed, and is the
 * error that its caller gets.
 */
export interface DiagnosticsMessages {
  /** An attempt to bring the other threads to rest is over. */
  'forksnap:quiesce': QuiesceMessage
  /** The parent goes on after a fork, or the system has refused it. */
  'forksnap:fork': ForkMessage
  /** The child has been reaped. */
  'forksnap:child': ChildMessage
  /** The store has published a slice, or refused to. */
  'forksnap:commit': CommitMessage
}

/** The save that a fork is for; missing for `forkChild`. */
export interface SaveIdentity {
  /** Id of the slice. */
  readonly sliceId: bigint
  /** What made the save begin. */
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
  /** Process id of the child; missing with an error, like all that follows but the error. */
  readonly pid?: number
  /** The whole synchronous part in the parent; it was over before this message. */
  readonly pauseMs?: number
  /** The system call alone. */
  readonly forkMs?: number
  /** Where the pause went. */
  readonly pauseParts?: PauseParts
  /** `ERR_FORK_FAILED`. */
  readonly error?: unknown
}

/** The child has been reaped. */
export interface ChildMessage extends Partial<SaveIdentity> {
  /** Process id of the child. */
  readonly pid: number
  /** 0 to 255; null if a signal ended it, or nobody knows. */
  readonly exitCode: number | null
  /** Such as `SIGKILL`; null if it ended by itself, or nobody knows. */
  readonly signal: string | null
  /** From the fork to the child's end. */
  readonly childMs: number
  /** Rows that it said it had written. */
  readonly rows: number
  /** Bytes that it said it had written. */
  readonly bytes: number
  /** What parent and child have copied, in bytes, as the child last measured it. */
  readonly cowBytes: number
  /** Why it counts as failed; missing after a clean end. */
  readonly error?: unknown
}

/** The store has published a slice, or refused to. */
export interface CommitMessage extends SaveIdentity {
  /** The store's part alone: fsync and rename, or the transaction's end. */
  readonly commitMs: number
  /** `meta().position`, 0n if it gives none; missing with an error. */
  readonly position?: bigint
  /** The epoch of the slice; missing with an error. */
  readonly epoch?: bigint
  /** Where the slice is, for people: a path, a table; missing with an error. */
  readonly location?: string
  /** Rows of all its tables. */
  readonly rows: number
  /** Length of the slice's stream. */
  readonly bytes: number
  /** Why the store refused. */
  readonly error?: unknown
}

/** Names of the channels. */
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

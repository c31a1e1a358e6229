import type { EventEmitter } from 'node:events'
import type { ForkInfo, Progress } from './fork-job'
import type { Saved, SaveReason } from './saved'
import type { SliceMeta } from './slice/types'

/** What each event of a Snapshotter carries. None is named `error`, so a missing listener never ends the program. */
export interface SnapshotterEvents<M extends SliceMeta = SliceMeta> {
  /** The child lives; times are in milliseconds. */
  forked: [event: ForkInfo & { readonly sliceId: bigint; readonly reason: SaveReason }]
  /** About every `progressMs` while the child lives, with totals so far. */
  progress: [event: Progress & { readonly sliceId: bigint }]
  /** The slice is published. */
  saved: [saved: Saved<M>]
  /** A save failed. The caller of `save()` gets the same error. */
  failed: [error: unknown, event: { readonly reason: SaveReason }]
  /**
   * A snapshot was ended on purpose: by its callers, by `reset()` or by `close()`; or it came to nothing because the store
   * has begun a new epoch (`ERR_EPOCH_CHANGED`).
   */
  aborted: [error: unknown, event: { readonly reason: SaveReason }]
  /** A tick of the interval found a snapshot running and was left out. */
  skipped: [event: { readonly reason: 'interval' }]
  /**
   * A save that failed, or came to nothing because of a new epoch, will be tried again: the number of failures in a row
   * and the wait in milliseconds.
   */
  retry: [event: { readonly failures: number; readonly delayMs: number; readonly error: unknown }]
  /** A newer owner of the store has taken over (`ERR_FENCED`): nothing is saved any more by interval, save point or retry. */
  stopped: [error: unknown]
  /** The other threads were too busy to fork; the same save tries again after so many milliseconds. */
  busy: [event: { readonly attempt: number; readonly delayMs: number; readonly error: unknown }]
  /** Retention removed these slices, durably. It follows `saved`, and may come while the next save is running. */
  pruned: [event: { readonly sliceIds: readonly bigint[] }]
  /** Something failed or took longer than `limits.cleanupMs` that does not concern the published slice. */
  cleanupFailed: [error: unknown, event: { readonly step: CleanupStep }]
}

/** `cancel`: what a failed save left; `retention`: removing old slices; `log`: pruning the log behind them. */
export type CleanupStep = 'cancel' | 'retention' | 'log'

/**
 * Calls the listeners of an event one by one. One that throws is reported as a process warning and keeps neither the
 * others from being called nor the save from going on: a slip in a log line must not cost a slice.
 */
export function tell(emitter: EventEmitter, event: string, args: readonly unknown[]): void {
  for (const listener of emitter.rawListeners(event)) {
    try {
      Reflect.apply(listener, emitter, args)
    } catch (error) {
      warnOfThrown(`a listener of '${event}' threw`, error, 'ForksnapListenerWarning')
    }
  }
}

/** A process warning for what a bystander's function threw. */
export function warnOfThrown(what: string, error: unknown, warning: string): void {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.emitWarning(`${what}: ${reason}`, warning)
}

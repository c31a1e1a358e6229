import type { EventEmitter } from 'node:events'
import type { SaveIdentity } from './diagnostics'
import type { ForkInfo, Progress } from './fork-job'
import type { Saved } from './saved'
import type { SliceMeta } from './slice/types'

/** What each event of a Snapshotter carries. None is named `error`, so a missing listener never ends the program. */
export interface SnapshotterEvents<M extends SliceMeta = SliceMeta> {
  /** The child lives; times are in milliseconds. */
  forked: [event: ForkInfo & SaveIdentity]
  /** About every `progressMs` while the child lives, with totals so far. */
  progress: [event: Progress & Pick<SaveIdentity, 'sliceId'>]
  /** The slice is published. */
  saved: [saved: Saved<M>]
  /** A save failed. The caller of `save()` gets the same error. */
  failed: [error: unknown, event: Pick<SaveIdentity, 'reason'>]
  /**
   * A snapshot was ended on purpose: by its callers, by `reset()` or by `close()`; or it came to nothing because the store
   * has begun a new epoch (`ERR_EPOCH_CHANGED`).
   */
  aborted: [error: unknown, event: Pick<SaveIdentity, 'reason'>]
  /** A tick of the interval found a snapshot running and was left out. */
  skipped: [
    event: {
      /** What would have begun the save. */
      readonly reason: 'interval'
    },
  ]
  /** A save that failed, or came to nothing because of a new epoch, will be tried again. */
  retry: [
    event: {
      /** Failures in a row. */
      readonly failures: number
      /** The wait until then, in milliseconds. */
      readonly delayMs: number
      /** Why it failed. */
      readonly error: unknown
    },
  ]
  /** A newer owner of the store has taken over (`ERR_FENCED`): nothing is saved any more by interval, save point or retry. */
  stopped: [error: unknown]
  /** The other threads were too busy to fork; the same save tries again. */
  busy: [
    event: {
      /** Which attempt it was, counted from 1. */
      readonly attempt: number
      /** The wait until the next one, in milliseconds. */
      readonly delayMs: number
      /** What kept it from forking: `ERR_NOT_QUIESCENT`. */
      readonly error: unknown
    },
  ]
  /** Retention removed these slices, durably. It follows `saved`, and may come while the next save is running. */
  pruned: [
    event: {
      /** Ids of the slices that are gone. */
      readonly sliceIds: readonly bigint[]
    },
  ]
  /** Something failed or took longer than `limits.cleanupMs` that does not concern the published slice. */
  cleanupFailed: [
    error: unknown,
    event: {
      /** What it was that failed. */
      readonly step: CleanupStep
    },
  ]
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

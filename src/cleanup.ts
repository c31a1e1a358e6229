import { ForksnapError } from './errors'
import type { CleanupStep } from './events'
import { step } from './failpoint'
import type { DurableLog } from './options'
import type { SliceStore } from './store/store'
import { within } from './within'

export interface CleanupHooks {
  pruned(sliceIds: readonly bigint[]): void
  failed(step: CleanupStep, error: unknown): void
}

/** One pass: how far it is, and whether it is to go on. */
interface Pass {
  step: CleanupStep
  /** What is running now is the last of it. */
  abandoned: boolean
  /** It took longer than the limit, and nobody waits for it any more. */
  overdue: boolean
  /** A save has asked for another one. */
  again: boolean
  /** Settles, without an error, at the pass's end or when it is overdue. */
  waiting: Promise<void>
}

/**
 * What follows the publication of a slice: old ones are removed, and the log is pruned behind those that are kept. A
 * failure here is told and takes nothing back, since the new slice is safe; the next save tries again.
 *
 * It runs beside what comes next, since a store or a log that hangs here must not keep the published slice from counting
 * or the next one from being taken. There is never more than one pass: store and log need not bear two at once, and a pass
 * that hangs would be joined by more and more of them.
 */
export class Cleanup {
  readonly #left = new AbortController()
  #pass: Pass | undefined

  constructor(
    private readonly store: SliceStore,
    private readonly log: DurableLog | undefined,
    /** So long a pass may take before it is told as failed and nobody waits for it any more; 0 = no limit. */
    private readonly limitMs: number,
    private readonly hooks: CleanupHooks,
  ) {}

  /** Begins a pass, now or once the one before has ended. Never throws. */
  run(): void {
    if (this.#pass === undefined) return this.#begin()
    this.#pass.again = true
    if (!this.#pass.overdue) return
    const message = 'The cleanup of an earlier save still hangs, so none was begun for this one'
    this.hooks.failed(this.#pass.step, new ForksnapError('ERR_TIMEOUT', message))
  }

  /** Resolves once no pass is running, or only one that is overdue. Never rejects. */
  async settled(): Promise<void> {
    while (this.#pass !== undefined && !this.#pass.overdue) await this.#pass.waiting
  }

  /** Begins no further step of this pass: store and log are about to begin anew, with positions of their own. */
  abandon(): void {
    if (this.#pass === undefined) return
    this.#pass.abandoned = true
    this.#pass.again = false
  }

  /** Ends it for good: store and log are about to be closed. A pass that hangs keeps nobody waiting any more. */
  leave(): void {
    this.abandon()
    this.#left.abort()
  }

  #begin(): void {
    const pass: Pass = {
      step: 'retention',
      abandoned: false,
      overdue: false,
      again: false,
      waiting: Promise.resolve(),
    }
    this.#pass = pass
    const ended = this.#work(pass).finally(() => {
      this.#pass = undefined
      if (pass.again) this.#begin()
    })
    const { signal } = this.#left
    pass.waiting = within(ended, this.limitMs, 'The cleanup after a save', signal).catch((error: unknown) => {
      pass.overdue = true
      if (!signal.aborted) this.hooks.failed(pass.step, error)
    })
  }

  /** Never rejects. */
  async #work(pass: Pass): Promise<void> {
    const { store, log, hooks } = this
    try {
      const sliceIds = await step('snapshot.retention', () => store.prune())
      if (sliceIds.length > 0) hooks.pruned(sliceIds)
      if (log?.prune === undefined || pass.abandoned) return
      pass.step = 'log'
      const position = oldestPosition(await store.list())
      if (position === undefined || pass.abandoned) return
      await step('snapshot.log-prune', async () => log.prune?.(position))
    } catch (error) {
      // After a failed retention the log stays as it is: it must reach back to every slice that there still is.
      hooks.failed(pass.step, error)
    }
  }
}

/** The position up to which no kept slice needs the log; undefined without slices. */
function oldestPosition(slices: readonly { readonly position: bigint }[]): bigint | undefined {
  return slices
    .map((slice) => slice.position)
    .reduce<bigint | undefined>(
      (oldest, position) => (oldest === undefined || position < oldest ? position : oldest),
      undefined,
    )
}

import { EventEmitter } from 'node:events'
import { Cleanup } from './cleanup'
import { checkWhole } from './checks'
import { ForksnapError, isForksnapError } from './errors'
import { tell, type CleanupStep, type SnapshotterEvents } from './events'
import { Flights, type Flight } from './flights'
import { assertWritable, healthOf, type Health } from './health'
import { resolveOptions, type ResolvedOptions, type SnapshotterOptions } from './options'
import { packedHeapBytes } from './packed-heap'
import { assertSupported } from './platform'
import { resolveCloseOptions, resolveSaveOptions, type CloseOptions, type SaveOptions } from './save-options'
import type { Saved } from './saved'
import { Schedule } from './schedule'
import { abortedBy, abortReason, orAborted, throwIfAborted } from './shared-work'
import type { SliceMeta } from './slice/types'
import { SnapshotLog } from './snapshot-log'
import { StatsKeeper, type SnapshotterStats } from './stats'
import { takeHooks } from './take-hooks'
import { takeSlice, type TakeHooks } from './take-slice'
import { WarmUp } from './warm-up'
import { within } from './within'

/**
 * Takes snapshots of the process's state: by an interval, by save points and on request, one at a time. Each is a
 * fork whose child writes the state through copy-on-write while the parent goes on; the parent publishes the slice
 * after the child's clean end.
 *
 * A running snapshot keeps the process alive until it has ended; waiting for the next one does not.
 */
export class Snapshotter<M extends SliceMeta = SliceMeta> extends EventEmitter<SnapshotterEvents<M>> {
  readonly #options: ResolvedOptions<M>
  readonly #stats = new StatsKeeper()
  readonly #log: SnapshotLog
  readonly #warmUp: WarmUp
  readonly #schedule: Schedule
  readonly #cleanup: Cleanup
  readonly #flights: Flights<M>
  readonly #closeNow = new AbortController()
  #starting: Promise<void> | undefined
  #started = false
  /** The newest slice: no later one since the last reset may be before it. */
  #newest = { epoch: 0n, position: 0n }
  #resetting: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  /** Throws `ERR_INVALID_ARGUMENT` for an option of the wrong type or out of its range. */
  constructor(options: SnapshotterOptions<M>) {
    super()
    this.#options = resolveOptions(options)
    this.#log = new SnapshotLog(this.#options.logger)
    this.#warmUp = new WarmUp(this.#options.warmUp)
    this.#flights = new Flights({
      begun: ({ reason }) => {
        this.#stats.begun(reason === 'retry')
        this.#schedule.began()
      },
      run: (flight, signal) => this.#run(flight, signal),
    })
    this.#schedule = new Schedule(this.#options, {
      isRunning: () => this.#flights.running !== undefined,
      changes: () => this.#stats.changes,
      save: (reason) => this.#flights.begin(reason).work.pin(),
      skipped: () => {
        this.#stats.skipped()
        this.#tell('skipped', { reason: 'interval' })
      },
      retrying: (event) => this.#tell('retry', event),
      stopped: (error) => {
        this.#stats.scheduleStopped(error)
        this.#tell('stopped', error)
      },
    })
    const { store, log, limits } = this.#options
    this.#cleanup = new Cleanup(store, log, limits.cleanupMs, {
      pruned: (sliceIds) => this.#tell('pruned', { sliceIds }),
      failed: (step, error) => this.#cleanupFailed(step, error),
    })
  }

  /**
   * Starts the store and the schedule. Idempotent, and may be called again after it failed. Rejects with
   * `ERR_UNSUPPORTED_PLATFORM` where there is no fork, `ERR_LOCKED` if another process owns the store, or the store's
   * error; `ERR_INVALID_STATE` after `close()`.
   */
  async start(): Promise<void> {
    this.#assertNotClosed()
    this.#starting ??= this.#start()
    try {
      await this.#starting
    } catch (error) {
      this.#starting = undefined
      throw error
    }
  }

  /** Where each owner begins an epoch, the newest slice is of an earlier one than the store's and counts all the same. */
  #newestPosition(): bigint {
    const { store } = this.#options
    return this.#newest.epoch >= (store.resetEpoch ?? store.epoch) ? this.#newest.position : 0n
  }

  async #start(): Promise<void> {
    assertSupported()
    const { store } = this.#options
    await store.start()
    const [newest] = await store.list()
    if (newest !== undefined) this.#newest = newest
    this.#started = true
    this.#log.line('started', { position: this.#newestPosition(), epoch: store.epoch })
    if (this.#closing === undefined) this.#schedule.start()
  }

  /**
   * Takes a snapshot, or joins the running one (see `SaveOptions.join`), and resolves once it is published; old slices
   * are removed, and the log is pruned, only after that (`pruned`, `cleanupFailed`). An abort that comes after the child's
   * end may find the slice published: the last caller to abort then gets the result.
   *
   * Rejects with the reason why none was published; nothing is left behind then, and the next call works: the codes of
   * `forkChild`, of which `ERR_NOT_QUIESCENT` comes only after `limits.busyMs` of attempts; `ERR_INVALID_VALUE` for what
   * `meta()` gave; `ERR_TIMEOUT` (`limits.answerMs`); `ERR_EPOCH_CHANGED`; the store's and the log's errors. Without an
   * attempt: `ERR_INVALID_STATE` before `start()` and after `close()`, `ERR_SNAPSHOT_IN_PROGRESS`, `ERR_INVALID_ARGUMENT`.
   */
  async save(options: SaveOptions = {}): Promise<Saved<M>> {
    const { signal, join } = resolveSaveOptions(options)
    this.#assertOpen()
    throwIfAborted(signal)
    if (join === false && this.#flights.running !== undefined) {
      throw new ForksnapError(
        'ERR_SNAPSHOT_IN_PROGRESS',
        "A snapshot is running already; join it ({ join: true }), wait for a fresh one ({ join: 'next' }) or try later",
      )
    }
    return this.#flights.serving('manual', join === 'next').work.join(signal)
  }

  /**
   * Counts changes of the state, for the save points and for `stats.changesSinceLastSave`: a whole number from 0 to
   * 2^53 - 1, else it throws `ERR_INVALID_ARGUMENT`. It costs a comparison, and never begins a save within the call.
   */
  changed(changes = 1): void {
    checkWhole('changes', changes, 0, Number.MAX_SAFE_INTEGER)
    this.#schedule.changed(this.#stats.changed(changes))
  }

  /** The figures as they are now, in an object of their own. */
  get stats(): SnapshotterStats {
    return { ...this.#stats.read(), packedHeapBytes: packedHeapBytes() }
  }

  /** Whether saving works, and whether the engine should go on taking writes: from the figures as they are now. */
  get health(): Health {
    return healthOf(this.#stats.read(), this.#options.stopWritesOnSaveError)
  }

  /** For the engine, before it takes a write: throws `ERR_UNHEALTHY` while saving fails (`stopWritesOnSaveError`). */
  assertWritable(): void {
    if (this.#stats.failing) assertWritable(this.health)
  }

  /**
   * For an engine that forgets its state: ends a running snapshot (its callers get `ERR_ABORTED`; it does not count as
   * failed) and begins a new epoch in the store, so that no slice from before is ever the newest again. Saves that are
   * asked for meanwhile wait for it. Resolves with the new epoch. Rejects with the store's error if it
   * could not begin one, and then the old epoch goes on; `ERR_INVALID_STATE` before `start()` and after `close()`.
   */
  async reset(): Promise<bigint> {
    this.#assertOpen()
    const { running } = this.#flights
    running?.work.abort(new ForksnapError('ERR_ABORTED', 'The snapshot was ended because the state is being reset'))
    this.#cleanup.abandon()
    const epoch = this.#beginEpoch([this.#resetting, running?.work.settled])
    this.#resetting = epoch.catch(() => undefined)
    return epoch
  }

  async #beginEpoch(after: readonly unknown[]): Promise<bigint> {
    await Promise.all(after)
    // A slice that was published at the last moment has begun a cleanup, whose positions the new epoch does not share.
    this.#cleanup.abandon()
    await this.#cleanup.settled()
    const epoch = await this.#options.store.beginEpoch()
    this.#log.line('reset', { epoch })
    return epoch
  }

  /**
   * Ends the schedule, lets running and promised snapshots and their cleanup finish (within their limits), takes a last
   * one if `save` asks for it, and closes the store. Idempotent: later calls share the first one's outcome, though their `signal`
   * counts. Rejects, with everything closed, if the last snapshot failed or was aborted;
   * `ERR_TIMEOUT` if the store takes longer than `limits.answerMs` to close.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const { save, signal } = resolveCloseOptions(options)
    const abort = () => signal !== undefined && this.#closeAtOnce(abortedBy(signal))
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      await (this.#closing ??= this.#close(save))
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** For `await using`: closes it, without a last snapshot. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(save: boolean): Promise<void> {
    this.#schedule.stop()
    await this.#starting?.catch(() => undefined)
    try {
      if (save) await this.#lastSave()
    } finally {
      await this.#flights.settled()
      await this.#resetting
      await orAborted(this.#cleanup.settled(), this.#closeNow.signal).catch(() => undefined)
      this.#cleanup.leave()
      await within(this.#options.store.close(), this.#options.limits.answerMs, "The store's close()")
      this.#log.line('closed')
    }
  }

  async #lastSave(): Promise<void> {
    if (!this.#started)
      throw new ForksnapError('ERR_INVALID_STATE', 'No last snapshot was taken: start() did not succeed')
    throwIfAborted(this.#closeNow.signal)
    await this.#flights.serving('close', true).work.join()
  }

  #closeAtOnce(reason: ForksnapError): void {
    this.#closeNow.abort(reason)
    this.#flights.abort(reason)
  }

  async #run(flight: Flight<M>, signal: AbortSignal): Promise<Saved<M>> {
    let saved: Saved<M>
    try {
      await this.#resetting
      saved = await takeSlice(this.#options, this.#warmUp, flight.reason, signal, this.#hooksOf(flight))
    } catch (error) {
      throw this.#notSaved(flight, signal, error)
    }
    this.#newest = saved
    this.#stats.saved(saved)
    this.#ended()
    this.#schedule.saved()
    this.#cleanup.run()
    this.#flights.launchNext()
    this.#tell('saved', saved)
    return saved
  }

  /** Tells a snapshot that was ended on purpose from one that failed; returns the error for its callers. */
  #notSaved({ reason }: Flight<M>, signal: AbortSignal, error: unknown): unknown {
    const aborted = signal.aborted && isForksnapError(error, 'ERR_ABORTED')
    const obsolete = isForksnapError(error, 'ERR_EPOCH_CHANGED')
    if (aborted || obsolete) this.#stats.aborted()
    else this.#stats.failed(error)
    this.#ended()
    if (aborted) this.#schedule.aborted()
    else if (obsolete) this.#schedule.obsolete(error)
    else this.#schedule.failed(error)
    this.#flights.launchNext()
    const told = aborted ? abortReason(signal) : error
    this.#tell(aborted || obsolete ? 'aborted' : 'failed', told, { reason })
    return told
  }

  #ended(): void {
    this.#flights.ended()
    this.#stats.ended()
  }

  #hooksOf(flight: Flight<M>): TakeHooks {
    return takeHooks(flight, this.#stats, {
      tell: (event, ...args) => this.#tell(event, ...args),
      // An epoch may begin in the store as well as by reset().
      newestPosition: () => this.#newestPosition(),
      cancelFailed: (error) => this.#cleanupFailed('cancel', error),
    })
  }

  #cleanupFailed(step: CleanupStep, error: unknown): void {
    this.#stats.cleanupFailed(error)
    this.#tell('cleanupFailed', error, { step })
  }

  #tell<K extends keyof SnapshotterEvents<M>>(event: K, ...args: SnapshotterEvents<M>[K]): void {
    this.#log.event(event, args)
    tell(this, event, args)
  }

  #assertNotClosed(): void {
    if (this.#closing !== undefined)
      throw new ForksnapError('ERR_INVALID_STATE', 'The Snapshotter is closed; make a new one')
  }

  #assertOpen(): void {
    this.#assertNotClosed()
    if (!this.#started) throw new ForksnapError('ERR_INVALID_STATE', 'Call start() and wait for it first')
  }
}

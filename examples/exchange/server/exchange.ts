import { isForksnapError, type OperationLog, type SliceMeta, type SliceWriter, type Snapshotter } from 'forksnap'
import type { Logger } from 'pino'
import type { Engine } from '../engine'
import { ExchangeError, unavailable } from '../errors'
import type { Method, OperationOf, OperationParams, OperationResults } from '../operations'
import { writeEngine } from '../persistence'
import { Backlog } from './backlog'

/** What a slice says of itself beside its rows. */
export interface ExchangeMeta extends SliceMeta {
  /** Id of the last operation in the state. */
  readonly position: bigint
  readonly orderId: number
  readonly tradeId: number
}

export interface ExchangeParts {
  readonly engine: Engine
  readonly log: OperationLog
  readonly logger: Logger
}

/**
 * The engine as a server has it: every operation that it accepts goes into the log in the same turn of the event loop,
 * under the id that it was applied with, and its result is given away once the log holds it durably. Refused operations
 * change nothing, so they are not logged.
 *
 * Where memory and log have parted, because an entry could not be made durable or the engine itself failed, no
 * operation is taken any more: a restart recovers what the log holds.
 */
export class Exchange {
  readonly #log: OperationLog
  readonly #logger: Logger
  readonly #backlog = new Backlog()
  #engine: Engine
  #snapshotter: Pick<Snapshotter, 'assertWritable' | 'changed' | 'health'> | undefined
  /** Why no operation is taken until the next start. */
  #stopped: string | undefined
  /** Why none is taken for a while. */
  #paused: string | undefined
  /** Whether the state in memory is one that a slice may hold. */
  #sound = true

  constructor({ engine, log, logger }: ExchangeParts) {
    this.#engine = engine
    this.#log = log
    this.#logger = logger
  }

  /** For those who only read, and only for this turn of the event loop: a reset or a reload puts another one here. */
  get engine(): Engine {
    return this.#engine
  }

  /** Operations that are applied and not yet durable. */
  get waiting(): number {
    return this.#backlog.entries
  }

  get sound(): boolean {
    return this.#sound
  }

  /** Whose health decides about writes, and who counts them. */
  set snapshotter(snapshotter: Pick<Snapshotter, 'assertWritable' | 'changed' | 'health'>) {
    this.#snapshotter = snapshotter
  }

  /** Why operations are refused, for people who may not know where files are; undefined while they are taken. */
  writesRefused(): string | undefined {
    const refusal = this.#refusal()
    if (refusal !== undefined) return refusal
    return this.#snapshotter?.health.writable === false ? SAVES_FAIL : undefined
  }

  /**
   * Applies an operation and resolves with its result once it is durable. Throws, without a promise, what the rules
   * refuse, and UNAVAILABLE where no operation is taken. A rejection means that nobody knows whether it will survive.
   */
  execute<M extends Method>(method: M, params: OperationParams[M]): Promise<OperationResults[M]> {
    this.#assertWritable()
    const room = this.#backlog.take(params)
    try {
      const operation = { id: this.#log.lastId + 1n, time: Date.now(), method, params }
      const result = this.#apply(operation)
      const durable = this.#append(operation)
      this.#snapshotter?.changed()
      return this.#answer(result, durable, room)
    } catch (error) {
      this.#backlog.release(room)
      throw error
    }
  }

  async #answer<R>(result: R, durable: Promise<void>, room: number): Promise<R> {
    try {
      await durable
      return result
    } catch (error) {
      throw this.#logFailed(error)
    } finally {
      this.#backlog.release(room)
    }
  }

  #apply<M extends Method>(operation: OperationOf<M>): OperationResults[M] {
    try {
      return this.#engine.apply(operation)
    } catch (error) {
      if (!(error instanceof ExchangeError)) this.distrust('the engine has failed', error)
      throw error
    }
  }

  /** In the same turn as `#apply`, so that no snapshot and no other operation can come between. */
  #append({ id, time, method, params }: OperationOf<Method>): Promise<void> {
    try {
      const appended = this.#log.append({ time, method, params })
      if (appended.id !== id) throw new Error(`operation ${id} has id ${appended.id} in the log`)
      return appended.durable
    } catch (error) {
      throw this.#logFailed(error)
    }
  }

  #logFailed(error: unknown): ExchangeError {
    this.distrust('an operation could not be logged', error)
    return unavailable('the operation could not be made durable; whether it will be there after a restart is unknown')
  }

  /** Stops operations and snapshots: what is in memory must not outlive this process. */
  distrust(reason: string, error: unknown): void {
    this.#sound = false
    if (this.#stopped !== undefined) return
    this.#stopped = `${reason}; the server must be restarted`
    this.#logger.fatal({ err: error }, `${reason}: no operation is taken until a restart`)
  }

  /**
   * Keeps operations out while `work` runs, which begins when all earlier ones are durable. One at a time; another call
   * meanwhile is refused with UNAVAILABLE, as operations are.
   */
  async exclusively(reason: string, work: () => Promise<void>): Promise<void> {
    const refusal = this.#refusal()
    if (refusal !== undefined) throw unavailable(refusal)
    this.#paused = reason
    try {
      await this.#log.sync()
      await work()
    } finally {
      this.#paused = undefined
    }
  }

  /** Within `exclusively`, in the tick in which the log ends where the engine does. Nobody may use the old one any more. */
  replaceEngine(engine: Engine): void {
    this.#engine.dispose()
    this.#engine = engine
  }

  #assertWritable(): void {
    const refusal = this.#refusal()
    if (refusal !== undefined) throw unavailable(refusal)
    try {
      this.#snapshotter?.assertWritable()
    } catch (error) {
      throw isForksnapError(error, 'ERR_UNHEALTHY') ? unavailable(SAVES_FAIL) : error
    }
  }

  #refusal(): string | undefined {
    if (this.#stopped !== undefined) return this.#stopped
    if (this.#paused !== undefined) return this.#paused
    return this.#log.failure === undefined ? undefined : 'the operation log has stopped; the server must be restarted'
  }

  /** For the Snapshotter, in the tick of the fork. */
  meta(): ExchangeMeta {
    if (!this.#sound) throw new Error(`No snapshot is taken: ${this.#stopped}`)
    const { orderId, tradeId } = this.#engine
    return { position: this.#log.lastId, orderId, tradeId }
  }

  write(slice: SliceWriter): undefined {
    writeEngine(this.#engine, slice)
  }
}

const SAVES_FAIL = 'snapshots fail, and writes are refused until one succeeds'

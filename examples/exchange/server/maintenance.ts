import type { OperationLog, Saved, SliceStore, Snapshotter } from 'forksnap'
import type { Logger } from 'pino'
import { Engine, type StateKind } from '../engine'
import { recoverState } from '../recovery'
import type { Exchange, ExchangeMeta } from './exchange'
import { markReset } from './reset'

export interface EngineSettings {
  readonly marketOrders: boolean
  readonly state: StateKind
}

/**
 * An engine that replays whatever was once accepted: whether market orders are taken now is no part of the state. The log
 * holds no refused operations, so that they are not accepted afterwards either.
 */
export function replayingEngine(state: StateKind): Engine {
  return new Engine({ marketOrders: true, state })
}

export interface MaintenanceParts {
  readonly exchange: Exchange
  readonly store: SliceStore
  readonly log: OperationLog
  readonly snapshotter: Snapshotter<ExchangeMeta>
  readonly settings: EngineSettings
  readonly logger: Logger
}

/** What the Debug calls and SIGUSR2 do, while clients are connected. */
export class Maintenance {
  readonly #parts: MaintenanceParts

  constructor(parts: MaintenanceParts) {
    this.#parts = parts
  }

  /** A slice of the state as it is now or later. */
  dump(): Promise<Saved<ExchangeMeta>> {
    return this.#parts.snapshotter.save({ join: 'next' })
  }

  /** Empties engine, slices and log. Once it has begun it is finished, by the next start if need be. */
  async reset(): Promise<void> {
    const { exchange, log, snapshotter, logger } = this.#parts
    await exchange.exclusively('the exchange is being reset', async () => {
      await markReset(log)
      try {
        await snapshotter.reset()
      } catch (error) {
        exchange.distrust('a reset could not be finished', error)
        throw error
      }
    })
    logger.warn('engine, slices and log were reset')
  }

  /** What `ResettableStore` calls when the new epoch has begun and no snapshot can. */
  async emptied(): Promise<void> {
    const { exchange, log, settings } = this.#parts
    await log.reset()
    exchange.replaceEngine(new Engine(settings))
  }

  /** Forgets the memory and recovers. If that fails, the old state stays, which nothing has changed meanwhile. */
  async reload(): Promise<void> {
    const { exchange, store, log, settings, logger } = this.#parts
    await exchange.exclusively('the exchange is being reloaded', async () => {
      const engine = replayingEngine(settings.state)
      const report = await recoverState(engine, { store, log })
      if (report.position !== log.lastId) {
        throw new Error(`recovered up to operation ${report.position}, but ${log.lastId} is the last one`)
      }
      engine.marketOrders = settings.marketOrders
      exchange.replaceEngine(engine)
      logger.warn({ position: String(report.position), ms: Math.round(report.totalMs) }, 'the state was reloaded')
    })
  }
}

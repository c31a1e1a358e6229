import { Snapshotter, type OperationLog, type RecoverReport, type Saved, type SliceStore } from 'forksnap'
import { pino, type Logger } from 'pino'
import type { Engine } from '../engine'
import { recoverState } from '../recovery'
import { describePlace, openLog, openStore } from '../storage'
import { engineFigures, type StatusSource } from '../status/source'
import { Exchange, type ExchangeMeta } from './exchange'
import { Listener } from './listener'
import { Maintenance, replayingEngine } from './maintenance'
import { defaultOptions, type ExchangeOptions } from './options'
import { logRecovery, logSnapshots } from './report'
import { finishReset, ResettableStore } from './reset'
import { exchangeService } from './service'

export interface StatusPage {
  readonly port: number
  close(): Promise<void>
}

/** Opens the status page of a server; what `startStatusServer` is. */
export type StatusHook = (
  source: StatusSource,
  options: { readonly host: string; readonly port: number; readonly logger?: Logger },
) => Promise<StatusPage>

export interface StartSettings extends Partial<ExchangeOptions> {
  /** Default: nothing is logged. */
  readonly logger?: Logger
  /** Needed for `statusPort`. */
  readonly status?: StatusHook
}

export interface StopOptions {
  /** Whether a last snapshot is taken. Default true. */
  readonly save?: boolean
  /** Cuts off running calls and ends the last snapshot. */
  readonly signal?: AbortSignal
}

export interface RunningExchange {
  readonly host: string
  readonly port: number
  readonly statusPort: number | undefined
  /** The engine as it is now; a reset or a reload puts another one in its place. */
  readonly engine: Engine
  readonly snapshotter: Snapshotter<ExchangeMeta>
  readonly store: SliceStore
  readonly log: OperationLog
  /** What it started from. */
  readonly recovered: RecoverReport
  /** Connections that are open now. */
  readonly connections: number
  /** Why operations are refused; undefined while they are taken. */
  writesRefused(): string | undefined
  /** Takes a snapshot of the state as it is now. */
  save(): Promise<Saved<ExchangeMeta>>
  /**
   * Stops accepting, lets running calls finish, takes a last snapshot and closes everything. Idempotent. Rejects, with
   * everything closed, with the first error.
   */
  close(options?: StopOptions): Promise<void>
}

/**
 * Starts a server: recovers the state, then opens the port. Rejects, with everything closed, if one of them fails. It
 * forks for snapshots, but not before the first one is due or asked for.
 */
export async function startExchange(settings: StartSettings = {}): Promise<RunningExchange> {
  const { logger = pino({ level: 'silent' }), status, ...given } = settings
  const options: ExchangeOptions = { ...defaultOptions(), ...given, logStore: given.logStore ?? given.store ?? 'file' }
  const opened = new Opened()
  try {
    return await start({ options, logger, opened, stop: { save: false } }, status)
  } catch (error) {
    await opened.close().catch(() => undefined) // The first error is the one that tells.
    throw error
  }
}

/** What was opened, to be closed in the opposite order. */
class Opened {
  readonly #closers: (() => Promise<void>)[] = []

  add(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  /** Closes everything, and rejects with the first error afterwards. */
  async close(): Promise<void> {
    const errors: unknown[] = []
    for (const close of this.#closers.splice(0).reverse()) {
      await close().catch((error: unknown) => errors.push(error))
    }
    if (errors.length > 0) throw errors[0]
  }
}

interface Context {
  readonly options: ExchangeOptions
  readonly logger: Logger
  readonly opened: Opened
  /** How it is to end. Whoever could not start leaves the slices as they are. */
  stop: StopOptions
}

async function start(context: Context, status: StatusHook | undefined): Promise<RunningExchange> {
  const { options, logger, opened } = context
  const { host, statusPort } = options
  const persistence = openPersistence(context)
  const { store, log } = persistence
  const { exchange, recovered } = await recoverExchange(persistence, context)
  const { snapshotter, maintenance } = await startSnapshots(exchange, persistence, context)
  const listener = await listen(exchange, maintenance, context)
  const source: StatusSource = {
    engine: () => engineFigures(exchange.engine),
    writesRefused: () => exchange.writesRefused(),
    ...{ snapshotter, store, log },
  }
  const page = statusPort === undefined ? undefined : await status?.(source, { host, port: statusPort, logger })
  if (page !== undefined) opened.add(() => page.close())
  logger.info({ host, port: listener.port, statusPort: page?.port, debug: options.debug }, 'listening')
  let closing: Promise<void> | undefined
  return {
    ...{ host, port: listener.port, statusPort: page?.port, snapshotter, store, log, recovered },
    get engine() {
      return exchange.engine
    },
    get connections() {
      return listener.connections
    },
    writesRefused: () => exchange.writesRefused(),
    save: () => maintenance.dump(),
    close: (stop = {}) => {
      if (closing === undefined) context.stop = stop
      return (closing ??= opened.close())
    },
  }
}

interface Persistence {
  readonly store: SliceStore
  readonly log: OperationLog
}

function openPersistence({ options, logger, opened }: Context): Persistence {
  const { directory } = options
  const store = openStore(options.store, directory)
  opened.add(() => store.close())
  const log = openLog(options.logStore, directory, options.log)
  opened.add(() => log.close())
  const places = { slices: describePlace(options.store, directory), log: describePlace(options.logStore, directory) }
  logger.info({ ...places, fsync: options.log }, 'starting')
  return { store, log }
}

interface Recovered {
  readonly exchange: Exchange
  readonly recovered: RecoverReport
}

async function recoverExchange({ store, log }: Persistence, { options, logger }: Context): Promise<Recovered> {
  const engine = replayingEngine(options.state)
  if (await finishReset(store, log)) logger.warn('finished a reset that was interrupted')
  const recovered = await recoverState(engine, { store, log })
  logRecovery(recovered, logger)
  engine.marketOrders = options.marketOrders
  return { exchange: new Exchange({ engine, log, logger }), recovered }
}

interface Snapshots {
  readonly snapshotter: Snapshotter<ExchangeMeta>
  readonly maintenance: Maintenance
}

async function startSnapshots(exchange: Exchange, persistence: Persistence, context: Context): Promise<Snapshots> {
  const { options, logger, opened } = context
  const { store, log } = persistence
  const snapshotter: Snapshotter<ExchangeMeta> = new Snapshotter<ExchangeMeta>({
    store: new ResettableStore(store, () => maintenance.emptied()),
    log,
    intervalMs: options.intervalMs,
    child: options.idleSnapshots ? { cpuPriority: 'idle' } : {},
    stopWritesOnSaveError: options.stopWritesOnSaveError,
    meta: () => exchange.meta(),
    write: (slice) => exchange.write(slice),
  })
  const maintenance = new Maintenance({ exchange, store, log, snapshotter, settings: options, logger })
  exchange.snapshotter = snapshotter
  logSnapshots(snapshotter, logger)
  opened.add(() => closeSnapshotter(snapshotter, exchange, context.stop))
  await snapshotter.start()
  return { snapshotter, maintenance }
}

async function listen(exchange: Exchange, maintenance: Maintenance, context: Context): Promise<Listener> {
  const { options, logger, opened } = context
  const { host, port, limits, debug, drainMs } = options
  const listener = await Listener.open(exchangeService({ exchange, maintenance, debug, logger }), {
    ...{ host, port, limits },
    onRefused: (refused) => logger.warn({ refused, most: limits.connections }, 'too many connections'),
  })
  opened.add(() => listener.close(drainSignal(drainMs, context.stop.signal)))
  return listener
}

/** A state that is not to be trusted is not saved; the log holds what was acknowledged. */
async function closeSnapshotter(
  snapshotter: Snapshotter<ExchangeMeta>,
  exchange: Exchange,
  { save = true, signal }: StopOptions,
): Promise<void> {
  await snapshotter.close({ save: save && exchange.sound, ...(signal === undefined ? {} : { signal }) })
}

function drainSignal(drainMs: number, signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(drainMs)
  return signal === undefined ? limit : AbortSignal.any([limit, signal])
}

/**
 * The exchange as a server: `npm run exchange -- --help` shows its options. Its log goes to standard output, one JSON
 * object a line. SIGUSR2 takes a snapshot; SIGTERM and SIGINT end it, a second one in a hurry.
 */
import { pino, type Logger } from 'pino'
import { startStatusServer } from '../status/server'
import { readOptions, usage, type ExchangeOptions } from './options'
import { explain } from './report'
import { listenForStop } from './signals'
import { startExchange, type RunningExchange } from './start'

async function run(options: ExchangeOptions, logger: Logger): Promise<void> {
  const { asked, hurry } = listenForStop()
  const starting = startExchange({ ...options, logger, status: startStatusServer })
  // From the beginning on, since a SIGUSR2 that nobody listens to ends the process.
  process.on('SIGUSR2', () => void dump(starting, logger))
  const exchange = await Promise.race([starting, asked])
  if (typeof exchange === 'string') return leave(exchange, logger)
  const signal = await asked
  logger.info({ signal }, 'stopping: running calls finish, then a last snapshot is taken')
  hurry.addEventListener('abort', () => hurryUp(logger), { once: true })
  await exchange.close({ signal: hurry })
  logger.info('stopped')
}

/**
 * A server that has not started has answered nobody, and a start may be broken off anywhere, as by a crash. A database
 * that does not answer must not keep it.
 */
function leave(signal: NodeJS.Signals, logger: Logger): never {
  logger.info({ signal }, 'stopped before it had started')
  process.exit(0)
}

/** Longest time that stopping at once may take. */
const HURRY_MS = 3000

/**
 * A database that does not answer must not keep the server, and a COMMIT that is on its way cannot be called back: what was
 * answered is in the log, and a start recovers it, from whichever slice is the newest then.
 */
function hurryUp(logger: Logger): void {
  logger.warn('asked again: stopping at once')
  const giveUp = (): void => {
    const log = 'the log has what was answered, and the next start recovers it'
    logger.fatal(`not everything could be closed within ${HURRY_MS} ms; the last snapshot may be missing, ${log}`)
    process.exit(1)
  }
  setTimeout(giveUp, HURRY_MS).unref()
}

/** Whatever fails is in the log already. */
async function dump(starting: Promise<RunningExchange>, logger: Logger): Promise<void> {
  logger.info('SIGUSR2: taking a snapshot')
  await starting.then((exchange) => exchange.save()).catch(() => undefined)
}

function main(): void {
  let options: ExchangeOptions | undefined
  try {
    options = readOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${explain(error)}\n\n${usage()}`)
    process.exitCode = 2
    return
  }
  if (options === undefined) {
    console.log(usage())
    return
  }
  const logger = pino({ base: null })
  run(options, logger).catch((error: unknown) => {
    logger.fatal({ err: error }, explain(error))
    process.exitCode = 1
  })
}

main()

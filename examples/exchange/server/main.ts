/**
 * The exchange as a server: `npm run exchange -- --help` shows its options. Its log goes to standard output, one JSON
 * object a line. SIGUSR2 takes a snapshot; SIGTERM and SIGINT end it, a second one in a hurry.
 */
import { pino, type Logger } from 'pino'
import { readOptions, usage, type ExchangeOptions } from './options'
import { explain } from './report'
import { startStatusServer } from '../status/server'
import { listenForStop } from './signals'
import { startExchange, type RunningExchange } from './start'

async function run(options: ExchangeOptions, logger: Logger): Promise<void> {
  const { asked, hurry } = listenForStop()
  // From the beginning on, since a SIGUSR2 that nobody listens to ends the process.
  let exchange: RunningExchange | undefined
  process.on('SIGUSR2', () => dump(exchange, logger))
  exchange = await startExchange({ ...options, logger, status: startStatusServer })
  const signal = await asked
  logger.info({ signal }, 'stopping: running calls finish, then a last snapshot is taken')
  hurry.addEventListener('abort', () => logger.warn('asked again: stopping at once'), { once: true })
  await exchange.close({ signal: hurry })
  logger.info('stopped')
}

function dump(exchange: RunningExchange | undefined, logger: Logger): void {
  logger.info(exchange === undefined ? 'SIGUSR2: too early for a snapshot' : 'SIGUSR2: taking a snapshot')
  exchange?.save().catch(() => undefined) // The log has its failure already.
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

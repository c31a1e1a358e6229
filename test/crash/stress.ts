/**
 * Kills engines again and again, at random moments and failpoints, and compares what comes back with what they had
 * acknowledged; ends with exit code 1 and the whole story if something was lost:
 *
 *   npm run stress:crash -- [--rounds 1000] [--store file|command|postgres|restart|spool] [--seed N] [--lives 2]
 */
import { parseArgs } from 'node:util'
import { Cluster } from '../helpers/postgres'
import { commandPlaces, filePlaces, postgresPlaces, type Places, type PostgresUse } from './places'
import { runRounds } from './rounds'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1000' },
    store: { type: 'string', default: 'file' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    lives: { type: 'string', default: '2' },
  },
})

function whole(name: 'rounds' | 'seed' | 'lives'): number {
  const value = Number(values[name])
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`)
  return value
}

async function crash(places: Places): Promise<void> {
  const [rounds, seed, lives] = [whole('rounds'), whole('seed'), whole('lives')]
  console.log(`${rounds} crashes with ${places.kind}, ${lives} engines at a time, seed ${seed}`)
  const each = Math.ceil(rounds / lives)
  const reports = await Promise.all(
    Array.from({ length: lives }, (_, life) => runRounds(places, each, seed + life * each)),
  )
  for (const report of reports) console.log(`nothing was lost: ${JSON.stringify(report)}`)
}

/** Of a store in PostgreSQL: `restart` waits for the lock of the one before, `spool` writes files first. */
const USES: { readonly [store: string]: PostgresUse | undefined } = {
  postgres: 'takeover',
  restart: 'restart',
  spool: 'spool',
}

async function main(): Promise<void> {
  if (values.store === 'file') return crash(filePlaces)
  if (values.store === 'command') return crash(commandPlaces)
  const use = USES[values.store]
  if (use === undefined) throw new RangeError(`--store must be file, command, ${Object.keys(USES).join(', ')}`)
  const cluster = await Cluster.start()
  try {
    await crash(postgresPlaces(cluster, use))
  } finally {
    await cluster.dispose()
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error)
  process.exitCode = 1
})

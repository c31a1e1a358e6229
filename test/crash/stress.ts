/**
 * Kills engines again and again, at random moments and failpoints, and compares what comes back with what they had
 * acknowledged; ends with exit code 1 and the whole story if something was lost:
 *
 *   npm run stress:crash -- [--rounds 1000] [--store file|postgres] [--seed N] [--lives 2]
 */
import { parseArgs } from 'node:util'
import { Cluster } from '../helpers/postgres'
import { filePlaces, postgresPlaces, type Places } from './places'
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

async function main(): Promise<void> {
  if (values.store === 'file') return crash(filePlaces)
  if (values.store !== 'postgres') throw new RangeError(`--store must be file or postgres, not ${values.store}`)
  const cluster = await Cluster.start()
  try {
    await crash(postgresPlaces(cluster))
  } finally {
    await cluster.dispose()
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error)
  process.exitCode = 1
})

/**
 * One method in a process of its own: `program.js METHOD RECORDS ROUNDS FOLDER` prints its samples as one line of JSON,
 * and removes the folder unless it is killed.
 */
import { rmSync } from 'node:fs'
import { startArena } from './arena'
import { measureFloor } from './floor'
import { startHeap, startPacked } from './heap'
import { measure } from './measure'
import type { Sample, Start } from './method'
import { startPostMessage } from './post-message'
import { startRedis } from './redis'
import { startSliced } from './sliced'
import { startSqlite } from './sqlite'
import { startSerialize, startStringify } from './stops'

const STARTS: Readonly<Record<string, Start>> = {
  heap: startHeap,
  packed: startPacked,
  arena: startArena,
  redis: startRedis,
  stringify: startStringify,
  serialize: startSerialize,
  'post-message': startPostMessage,
  sliced: startSliced,
  sqlite: startSqlite,
}

async function run(method: string, records: number, rounds: number, folder: string): Promise<Sample[]> {
  if (method === 'floor') return measureFloor(records, rounds, folder)
  const start = STARTS[method]
  if (start === undefined) throw new Error(`unknown method ${method}`)
  return measure(await start(records, folder), rounds)
}

async function main(): Promise<void> {
  const [method = '', records, rounds, folder] = process.argv.slice(2)
  if (folder === undefined) throw new Error('a folder is missing')
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  // Ended from outside it must still take its files and a redis-server with it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const samples = await run(method, Number(records), Number(rounds), folder)
  process.stdout.write(JSON.stringify(samples) + '\n')
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
})

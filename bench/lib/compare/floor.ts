/** The floor: the memory of a process with the orders, replayed by a plain C program that forks. */
import { join } from 'node:path'
import { packageRoot } from '../../../src/addon-files'
import { runForkFloor } from '../fork-floor'
import { collectAll } from '../gc'
import { dumpMappings } from '../mappings'
import { NOTHING, type Sample } from './method'
import { makeOrders } from './orders'

/** As after the first fork with the load in between, all pages are written again before each. */
export function measureFloor(records: number, rounds: number, folder: string): Sample[] {
  const orders = makeOrders(records)
  collectAll()
  const file = join(folder, 'mappings')
  dumpMappings(file)
  const { fork_ms: forks } = runForkFloor(file, rounds, packageRoot())
  // Until here they must live.
  if (orders.length !== records) throw new Error('the orders are gone')
  return forks.map((pauseMs) => ({ ...NOTHING, pauseMs }))
}

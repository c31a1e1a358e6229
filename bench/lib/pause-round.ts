/** One round of the pause's measurement, in a process of its own: prints its samples as one line of JSON. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import v8 from 'node:v8'
import { restingOrders } from '../../examples/exchange/digest'
import { fullExchange, SteadyFlow, type Exchange } from './exchange'
import { runForkFloor } from './fork-floor'
import { collectAll } from './gc'
import { dumpMappings } from './mappings'
import { measurePause, type PauseSample } from './pause-sample'

export interface PauseSamples {
  readonly mappings: number
  readonly residentBytes: number
  readonly firstPause: PauseSample
  readonly laterPauses: readonly PauseSample[]
  readonly floorMs: readonly number[]
  readonly refloorMs: readonly number[]
  readonly stringifyMs: readonly number[]
  readonly serializeMs: readonly number[]
}

const FLOOR_FORKS = 10
const SERIALIZE_ROUNDS = 3
const OPERATIONS_PER_SECOND = 5_000

async function laterPauses(exchange: Exchange, forks: number): Promise<PauseSample[]> {
  const flow = new SteadyFlow(exchange, OPERATIONS_PER_SECOND)
  const samples: PauseSample[] = []
  for (let i = 0; i < forks; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    samples.push(await measurePause())
  }
  await flow.stop()
  return samples
}

/** The yardstick gets this very process's memory, as it is now. */
function floor(forks: number) {
  const folder = mkdtempSync(join(tmpdir(), 'forksnap-pause-'))
  try {
    const file = join(folder, 'mappings')
    const { mappings, residentBytes } = dumpMappings(file)
    const { fork_ms: floorMs, refork_ms: refloorMs } = runForkFloor(file, forks, join(__dirname, '..', '..', '..'))
    return { mappings, residentBytes, floorMs, refloorMs }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** An order's own fields, without the links to its neighbours, user and market: what a snapshot in JSON would hold. */
function flatOrders(exchange: Exchange): object[] {
  return Array.from(restingOrders(exchange.engine), (order) => {
    const { id, side, type, price, amount, remain, finishedQuote, postOnly, signature, createTime, updateTime } = order
    const names = { market: order.market.config.name, user: order.user.id }
    return {
      id,
      side,
      type,
      price,
      amount,
      remain,
      finishedQuote,
      postOnly,
      signature,
      createTime,
      updateTime,
      ...names,
    }
  })
}

function timed(rounds: number, work: () => unknown): number[] {
  return Array.from({ length: rounds }, () => {
    const begun = performance.now()
    work()
    return performance.now() - begun
  })
}

async function main(orders: number, forks: number): Promise<PauseSamples> {
  const exchange = fullExchange(orders)
  collectAll()
  const measured = floor(FLOOR_FORKS)
  const firstPause = await measurePause()
  const later = await laterPauses(exchange, forks)
  const flat = flatOrders(exchange)
  const stringifyMs = timed(SERIALIZE_ROUNDS, () => JSON.stringify(flat))
  const serializeMs = timed(SERIALIZE_ROUNDS, () => v8.serialize(flat))
  return { ...measured, firstPause, laterPauses: later, stringifyMs, serializeMs }
}

void main(Number(process.argv[2]), Number(process.argv[3])).then((samples) => console.log(JSON.stringify(samples)))

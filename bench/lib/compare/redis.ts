import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Running, Session } from './method'
import { FIRST_ID, lineOf, newOrders, nextIndex, Numbers } from './orders'
import { info, RDB_NAME, startRedisServer } from './redis-server'
import type { RedisClient } from './resp'

const FILLED_AT_ONCE = 1_000
/** Requests of the one client that are under way at a time. */
const IN_FLIGHT = 16
const POLL_MS = 5

function keyOf(id: number): string {
  return `order:${id}`
}

/** The JSON of the orders themselves, so that it is as many bytes. */
async function fill(client: RedisClient, records: number): Promise<void> {
  let batch: string[][] = []
  for (const order of newOrders(records)) {
    batch.push(['SET', keyOf(order.id), lineOf(order)])
    if (batch.length < FILLED_AT_ONCE) continue
    await client.pipeline(batch)
    batch = []
  }
  await client.pipeline(batch)
  const size = await client.command('DBSIZE')
  if (size !== records) throw new Error(`Redis has ${size} records instead of ${records}`)
}

/** SETs of orders, the same ones busy as in the other methods. A turn is an answer to a bundle of requests. */
class RedisLoad implements Running {
  readonly turns: number[] = []
  readonly counts: number[] = []
  private readonly numbers = new Numbers()
  private stopped = false
  private done = 0
  private readonly ended: Promise<void>

  constructor(
    private readonly client: RedisClient,
    private readonly records: number,
    private readonly text: string,
  ) {
    this.ended = this.run()
  }

  forget(): void {
    this.turns.length = 0
    this.counts.length = 0
  }

  async stop(): Promise<void> {
    this.stopped = true
    await this.ended
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      this.turns.push(performance.now())
      this.counts.push(this.done)
      await this.client.pipeline(Array.from({ length: IN_FLIGHT }, () => this.request()))
      this.done += IN_FLIGHT
    }
  }

  private request(): string[] {
    return ['SET', keyOf(FIRST_ID + nextIndex(this.numbers, this.records)), this.text]
  }
}

export async function startRedis(records: number, folder: string): Promise<Session> {
  const server = await startRedisServer(folder)
  const loading = await server.connect()
  const control = await server.connect()
  await fill(loading, records)
  const [first] = newOrders(1)
  const text = first === undefined ? '' : lineOf(first)
  return {
    startLoad: () => new RedisLoad(loading, records, text),
    async take() {
      await control.command('BGSAVE')
      let fields = await info(control)
      while (fields.get('rdb_bgsave_in_progress') !== '0') {
        await setTimeout(POLL_MS)
        fields = await info(control)
      }
      if (fields.get('rdb_last_bgsave_status') !== 'ok') throw new Error('BGSAVE failed')
      return {
        pauseMs: Number(fields.get('latest_fork_usec')) / 1000,
        bytes: statSync(join(folder, RDB_NAME)).size,
        copiedBytes: Number(fields.get('rdb_last_cow_size')),
        ownMemory: false,
      }
    },
    async close() {
      loading.end()
      control.end()
      await server.end()
    },
  }
}

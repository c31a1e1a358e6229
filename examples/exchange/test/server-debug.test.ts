import { setTimeout } from 'node:timers/promises'
import { Cluster, reasonAgainstPostgres } from '../../../test/helpers/postgres'
import { describeUnless } from '../../../test/helpers/store-fixture'
import { type ExchangeClient, refusal } from './exchange-client'
import { ServerProgram, temporaryDirectory } from './server-program'

const directory = temporaryDirectory()
const FILES = 'files'
let cluster: Cluster | undefined
let args: string[]

beforeAll(async () => {
  if (reasonAgainstPostgres === null) cluster = await Cluster.start()
})
afterAll(() => cluster?.dispose())

async function makeDatabase(): Promise<{ url: string; database: string }> {
  if (cluster === undefined) throw new Error('there is no database server')
  const database = await cluster.createDatabase()
  return { url: cluster.url(database), database }
}

/** The arguments of servers that share their store. */
async function place(kind: string): Promise<string[]> {
  const store = kind === FILES ? 'file' : (await makeDatabase()).url
  return ['--debug', '--directory', directory.path, '--store', store]
}

/** A client that goes on putting in operations, whatever is answered, until it is stopped or the server is gone. */
class Trader {
  readonly answers = new Map<string, number>()
  readonly #running: Promise<void>
  #stopped = false

  constructor(client: ExchangeClient, user_id: number) {
    this.#running = this.#run(client, user_id)
  }

  async #run(client: ExchangeClient, user_id: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const update = { user_id, asset: 'ETH', business: 'trader', business_id: String(i), delta: '1' }
      const answer = await client.call('BalanceUpdate', update).then(
        () => 'OK',
        (error: Error) => error.message,
      )
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1)
      if (/UNAVAILABLE(?!: the exchange is)/.test(answer)) return
    }
  }

  async stop(): Promise<Map<string, number>> {
    this.#stopped = true
    await this.#running
    return this.answers
  }
}

async function makeSlices(client: ExchangeClient, user_id: number): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await client.put(user_id, 'BID', '1', '1')
    await client.call('DebugDump')
  }
}

const places = [FILES, ...(reasonAgainstPostgres === null ? ['PostgreSQL'] : [])]

describe.each(places)('the Debug calls with slices and log in %s', (kind) => {
  beforeEach(async () => {
    args = await place(kind)
  })

  it('DebugReload recovers what is in memory, while clients trade', async () => {
    const server = await ServerProgram.start(args)
    const client = server.client()
    const user_id = await client.user({ USDT: '100' })
    await makeSlices(client, user_id)
    const traders = Array.from({ length: 4 }, async () => new Trader(server.client(), await client.user()))
    const running = await Promise.all(traders)
    for (let i = 0; i < 5; i++) await client.call('DebugReload')
    expect(await client.balance(user_id, 'USDT')).toEqual(['95.000000', '5.000000'])
    for (const [i, trader] of running.entries()) {
      const answers = await trader.stop()
      const answered = answers.get('OK') ?? 0
      expect(Number((await client.balance(user_id + 1 + i, 'ETH'))[0])).toBe(answered)
      for (const answer of answers.keys()) expect(answer).toMatch(/^OK$|UNAVAILABLE: the exchange is being reloaded/)
    }
    expect(await client.put(user_id, 'BID', '1', '1')).toMatchObject({ id: '6' })
    await server.end('SIGTERM')
  })

  it('DebugReset empties everything, while clients trade, and it stays empty after a crash', async () => {
    let server = await ServerProgram.start(args)
    let client = server.client()
    const user_id = await client.user({ USDT: '100' })
    await makeSlices(client, user_id)
    const trader = new Trader(server.client(), user_id)
    await client.call('DebugReset')
    expect(await refusal(client.balance(user_id, 'USDT'))).toBe('INVALID_ARGUMENT invalid user')
    const { market_summaries } = await client.call('MarketSummary', { markets: ['ETH_USDT'] })
    expect(market_summaries).toMatchObject([{ bid_count: 0, trade_count: '0' }])
    for (const answer of (await trader.stop()).keys()) {
      expect(answer).toMatch(/^OK$|UNAVAILABLE: the exchange is being reset|INVALID_ARGUMENT: invalid user/)
    }
    expect((await server.end('SIGKILL')).signal).toBe('SIGKILL')

    server = await ServerProgram.start(args)
    expect(await server.logged('recovered')).toMatchObject({ position: '0', replayed: 0 })
    client = server.client()
    const again = await client.user({ USDT: '7' })
    expect(again).toBe(1)
    expect(await client.put(again, 'BID', '1', '1')).toMatchObject({ id: '1' })
    await client.call('DebugDump')
    await server.end('SIGKILL')

    server = await ServerProgram.start(args)
    expect(await server.client().balance(again, 'USDT')).toEqual(['6.000000', '1.000000'])
    await server.end('SIGTERM')
  })

  it('snapshots that are asked for during a reset hold the empty state', async () => {
    let server = await ServerProgram.start(args)
    const client = server.client()
    await makeSlices(client, await client.user({ USDT: '100' }))
    const dumps = [client.call('DebugDump'), client.call('DebugReset'), client.call('DebugDump')]
    await Promise.allSettled(dumps)
    await client.call('DebugDump')
    await server.end('SIGKILL')
    server = await ServerProgram.start(args)
    expect(await server.logged('recovered')).toMatchObject({ position: '0', rows: 6 })
    await server.end('SIGTERM')
  })

  it('one at a time', async () => {
    const server = await ServerProgram.start(args)
    const client = server.client()
    const outcomes = await Promise.all(
      Array.from({ length: 4 }, () => client.call('DebugReset').then(() => 'OK', (error: Error) => error.message)), // prettier-ignore
    )
    expect(outcomes[0]).toBe('OK')
    for (const outcome of outcomes) expect(outcome).toMatch(/^OK$|UNAVAILABLE: the exchange is being reset/)
    await server.end('SIGTERM')
  })
})

/** A reset that a crash interrupts is not begun, or it is done: nothing between. */
const FILE_POINTS = [
  'store.file.epoch.sync.before',
  'store.file.epoch.rename.before',
  'store.file.epoch.rename.after',
  'store.file.epoch.directory-sync.after',
  'oplog.file.reset.unlink.before',
  'oplog.file.reset.unlink.after',
]
const POSTGRES_POINTS =
  reasonAgainstPostgres === null ? ['oplog.postgres.reset.before', 'oplog.postgres.reset.after'] : []

describe('a server that is killed during a reset', () => {
  it.each([...FILE_POINTS, ...POSTGRES_POINTS])('at %s starts empty', async (failpoint) => {
    args = await place(failpoint.includes('postgres') ? 'PostgreSQL' : FILES)
    let server = await ServerProgram.start(args, { FORKSNAP_FAILPOINT: failpoint })
    const client = server.client()
    await makeSlices(client, await client.user({ USDT: '100' }))
    expect(await refusal(client.call('DebugReset'))).toMatch(/^UNAVAILABLE /)
    expect((await server.ended).signal).toBe('SIGKILL')
    server = await ServerProgram.start(args)
    expect(await server.logged('recovered')).toMatchObject({ position: '0', replayed: 0 })
    expect(await server.client().user()).toBe(1)
    await server.end('SIGTERM')
  })

  it('before it was decided has everything', async () => {
    args = await place(FILES)
    let server = await ServerProgram.start(args)
    const client = server.client()
    const user_id = await client.user({ USDT: '100' })
    await makeSlices(client, user_id)
    await server.end('SIGKILL')
    server = await ServerProgram.start(args, { FORKSNAP_FAILPOINT: 'oplog.file.write.before' })
    expect(await refusal(server.client().call('DebugReset'))).toMatch(/^UNAVAILABLE /)
    expect((await server.ended).signal).toBe('SIGKILL')
    server = await ServerProgram.start(args)
    expect(await server.client().balance(user_id, 'USDT')).toEqual(['95.000000', '5.000000'])
    await server.end('SIGTERM')
  })

  it('or cannot finish one takes no operations and no snapshots until it is started again', async () => {
    args = await place(FILES)
    let server = await ServerProgram.start(args, { FORKSNAP_FAILPOINT: 'store.file.epoch.rename.before=error' })
    const client = server.client()
    await makeSlices(client, await client.user({ USDT: '100' }))
    expect(await refusal(client.call('DebugReset'))).toBe('INTERNAL DebugReset failed: ERR_STORE_FAILED')
    const reason = 'UNAVAILABLE a reset could not be finished; the server must be restarted'
    expect(await refusal(client.user())).toBe(reason)
    expect(await refusal(client.call('DebugDump'))).toMatch(/^INTERNAL /)
    expect((await server.end('SIGTERM')).code).toBe(0)
    server = await ServerProgram.start(args)
    expect(await server.client().user()).toBe(1)
    await server.end('SIGTERM')
  })
})

describeUnless(reasonAgainstPostgres, 'with everything in PostgreSQL', () => {
  it('DebugDump publishes the state as it was or later', async () => {
    args = await place('PostgreSQL')
    const server = await ServerProgram.start(args)
    const client = server.client()
    await client.user({ USDT: '100' })
    await Promise.all([client.call('DebugDump'), client.user(), client.call('DebugDump')])
    expect(await server.logged('snapshot saved')).toMatchObject({ reason: 'manual' })
    await server.end('SIGTERM')
  })

  it('no snapshot comes between the slices and the log of a reset', async () => {
    const { url, database } = await makeDatabase()
    args = ['--debug', '--store', url]
    let server = await ServerProgram.start(args)
    const client = server.client()
    await makeSlices(client, await client.user({ USDT: '100' }))
    let dump: Promise<unknown> | undefined
    await cluster?.with(database, async (session) => {
      // A reader lets the log take entries, and keeps it from being emptied.
      await session.query('BEGIN')
      await session.query('SELECT count(*) FROM operation_log')
      const reset = client.call('DebugReset')
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = '${database}' AND wait_event_type = 'Lock'`
      while ((await cluster?.sql('postgres', waiting))?.length === 0) await setTimeout(1)
      dump = client.call('DebugDump')
      expect(await Promise.race([dump, setTimeout(500, 'waits')])).toBe('waits')
      expect(await refusal(client.user())).toBe('UNAVAILABLE the exchange is being reset')
      await session.query('COMMIT')
      await reset
    })
    await dump
    await server.end('SIGKILL')
    server = await ServerProgram.start(args)
    expect(await server.logged('recovered')).toMatchObject({ position: '0', rows: 6, replayed: 0 })
    await server.end('SIGTERM')
  })
})

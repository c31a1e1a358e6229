import { connect } from 'node:net'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Cluster, reasonAgainstPostgres } from '../../../test/helpers/postgres'
import { describeUnless } from '../../../test/helpers/store-fixture'
import { type ExchangeClient, refusal } from './exchange-client'
import { linesOf, ServerProgram, temporaryDirectory } from './server-program'

const directory = temporaryDirectory()
const files = (...more: string[]): string[] => ['--directory', directory.path, ...more]

async function deposit(client: ExchangeClient, user_id: number, business_id: number): Promise<void> {
  const update = { user_id, asset: 'ETH', business: 'deposit', business_id: String(business_id), delta: '1' }
  await client.call('BalanceUpdate', update)
}

describe('the server as a program', () => {
  it('ends at SIGTERM with a last snapshot, from which it starts again', async () => {
    let server = await ServerProgram.start(files())
    const user = await server.client().user({ ETH: '5' })
    const end = await server.end('SIGTERM')
    expect([end.code, end.stderr]).toEqual([0, ''])
    const last = linesOf(end).slice(-3)
    expect(last).toMatchObject([
      { signal: 'SIGTERM' },
      { msg: 'snapshot saved', reason: 'close', position: '2' },
      { msg: 'stopped' },
    ])
    server = await ServerProgram.start(files())
    expect(await server.logged('recovered')).toMatchObject({ sliceId: '1', replayed: 0, position: '2' })
    expect(await server.client().balance(user, 'ETH')).toEqual(['5.000000', '0.000000'])
    expect((await server.end('SIGINT')).code).toBe(0)
  })

  it('answers the calls that are running at SIGTERM, and what it has answered survives', async () => {
    let server = await ServerProgram.start(files())
    const client = server.client()
    const user_id = await client.user()
    const calls = Array.from({ length: 500 }, (_, i) => deposit(client, user_id, i))
    await calls[0]
    const ended = server.end('SIGTERM')
    const outcomes = await Promise.allSettled(calls)
    expect((await ended).code).toBe(0)
    const answered = outcomes.filter(({ status }) => status === 'fulfilled').length
    // Those that were not taken were refused as a whole: the client may send them elsewhere.
    server = await ServerProgram.start(files())
    const [available] = await server.client().balance(user_id, 'ETH')
    expect(Number(available)).toBe(answered)
    await server.end('SIGTERM')
  })

  it('takes a snapshot at SIGUSR2', async () => {
    const server = await ServerProgram.start(files())
    await server.client().user()
    server.kill('SIGUSR2')
    expect(await server.logged('snapshot saved')).toMatchObject({ reason: 'manual', position: '1' })
    await server.end('SIGKILL')
  })

  it('binds to loopback alone, with the status page too', async () => {
    const server = await ServerProgram.start(files('--status-port', '0'))
    const { host, port, statusPort } = await server.logged('listening')
    expect([host, port]).toEqual(['127.0.0.1', server.port])
    for (const one of [server.port, Number(statusPort)]) {
      await expect(once(connect(one, '127.0.0.2'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    }
    const metrics = await fetch(`http://127.0.0.1:${String(statusPort)}/metrics`)
    expect(await metrics.text()).toMatch(/^forksnap_saves_total 0$/m)
    expect((await server.end('SIGTERM')).code).toBe(0)
  })

  it('says what is wrong and ends with code 1 when it cannot start', async () => {
    const first = await ServerProgram.start(files())
    const locked = await ServerProgram.launch(files()).closed
    expect([locked.code, linesOf(locked).at(-1)?.msg]).toEqual([1, expect.stringMatching(/^ERR_LOCKED: /)])
    const port = ['--port', String(first.port), '--directory', `${directory.path}/other`]
    const taken = await ServerProgram.launch(port).closed
    expect([taken.code, linesOf(taken).at(-1)?.msg]).toEqual([1, expect.stringMatching(/EADDRINUSE/)])
    const wrong = await ServerProgram.launch(['--log', 'sometimes']).closed
    expect([wrong.code, wrong.stderr.split('\n')[0]]).toEqual([2, '--log must be one of always, everysec, no'])
    await first.end('SIGKILL')
  })

  it('refuses operations while snapshots fail, if so asked, and takes them again after one that succeeds', async () => {
    const failing = { FORKSNAP_FAILPOINT: 'store.file.slice.rename.before:1=error' }
    const server = await ServerProgram.start(files('--debug', '--stop-writes-on-save-error'), failing)
    const client = server.client()
    const user_id = await client.user({ ETH: '5' })
    expect(await refusal(client.call('DebugDump'))).toBe('INTERNAL DebugDump failed: ERR_STORE_FAILED')
    const reason = 'UNAVAILABLE snapshots fail, and writes are refused until one succeeds'
    expect(await refusal(deposit(client, user_id, 7))).toBe(reason)
    expect(await refusal(client.user())).toBe(reason)
    expect(await client.balance(user_id, 'ETH')).toEqual(['5.000000', '0.000000'])
    await client.call('DebugDump')
    await deposit(client, user_id, 7)
    expect(await client.balance(user_id, 'ETH')).toEqual(['6.000000', '0.000000'])
    await server.end('SIGTERM')
  })

  it('goes on while snapshots fail, if not asked to stop', async () => {
    const failing = { FORKSNAP_FAILPOINT: 'store.file.slice.rename.before:1=error' }
    const server = await ServerProgram.start(files('--debug'), failing)
    const client = server.client()
    const user_id = await client.user()
    expect(await refusal(client.call('DebugDump'))).toMatch(/^INTERNAL /)
    await deposit(client, user_id, 7)
    await server.end('SIGTERM')
  })

  it('takes no operation any more once one could not be logged, saves nothing, and recovers what was answered', async () => {
    const failing = { FORKSNAP_FAILPOINT: 'oplog.file.sync.before:3=error' }
    let server = await ServerProgram.start(files('--debug'), failing)
    const client = server.client()
    const users = await Promise.allSettled([client.user()])
    let last = ''
    for (let i = 0; last === ''; i++) last = await deposit(client, 1, i).then(() => '', (error: Error) => error.message) // prettier-ignore
    expect(users[0].status).toBe('fulfilled')
    expect(last).toMatch(/^14 UNAVAILABLE: the operation could not be made durable/)
    const reason = 'UNAVAILABLE an operation could not be logged; the server must be restarted'
    expect(await refusal(client.user())).toBe(reason)
    expect(await refusal(client.call('DebugReset'))).toBe(reason)
    expect(await refusal(client.call('DebugDump'))).toMatch(/^INTERNAL /)
    const end = await server.end('SIGTERM')
    expect(linesOf(end).some(({ msg }) => msg === 'snapshot saved')).toBe(false)
    server = await ServerProgram.start(files())
    const position = Number((await server.logged('recovered')).position)
    const answered = await server.client().balance(1, 'ETH')
    // The entry whose sync failed may be in the file all the same; nobody was told that it is.
    expect([position - 1, position - 2]).toContain(Number(answered[0]))
    await server.end('SIGTERM')
  })
})

describeUnless(reasonAgainstPostgres, 'the server with everything in PostgreSQL', () => {
  let cluster: Cluster
  let database: string

  beforeAll(async () => {
    cluster = await Cluster.start()
  })
  beforeEach(async () => {
    database = await cluster.createDatabase()
  })
  afterAll(() => cluster.dispose())

  /** Runs `work` while nobody else can read or write a table. */
  async function locked(table: string, work: (unlock: () => Promise<unknown>) => Promise<void>): Promise<void> {
    await cluster.with(database, async (session) => {
      await session.query('BEGIN')
      await session.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
      await work(() => session.query('COMMIT'))
    })
  }

  it('answers a call once its entry is committed, also if SIGTERM comes meanwhile, and takes no new connection', async () => {
    let server = await ServerProgram.start(['--store', cluster.url(database)])
    const client = server.client()
    const user_id = await client.user()
    await locked('operation_log', async (unlock) => {
      let answered = false
      const call = deposit(client, user_id, 1).then(() => (answered = true))
      // Applied, and seen, though not durable yet.
      while ((await client.balance(user_id, 'ETH'))[0] !== '1.000000') await setTimeout(1)
      server.kill('SIGTERM')
      await server.logged('stopping')
      expect(await refusal(server.client().call('AssetList'))).toMatch(/^UNAVAILABLE /)
      expect([answered, server.over]).toEqual([false, false])
      await unlock()
      await call
    })
    expect((await server.ended).code).toBe(0)
    server = await ServerProgram.start(['--store', cluster.url(database)])
    expect(await server.client().balance(user_id, 'ETH')).toEqual(['1.000000', '0.000000'])
    await server.end('SIGTERM')
  })

  it('does not wait for a database that hangs when it is asked again', async () => {
    const server = await ServerProgram.start(['--store', cluster.url(database)])
    await server.client().user()
    server.kill('SIGUSR2')
    await server.logged('snapshot saved')
    await locked('order_slice', async () => {
      server.kill('SIGTERM')
      // What comes within a second counts as the same signal.
      while (!server.over) {
        await setTimeout(100)
        if (!server.over) server.kill('SIGTERM')
      }
    })
    const end = await server.ended
    expect(end.code).toBe(1)
    expect(linesOf(end).at(-1)?.msg).toMatch(/^ERR_ABORTED|^not everything could be closed within/)
  })

  it('does not wait for a database that hangs while it starts', async () => {
    await (await ServerProgram.start(['--store', cluster.url(database)])).end('SIGTERM')
    await locked('slice_history', async () => {
      const starting = ServerProgram.launch(['--store', cluster.url(database)])
      await starting.line(/"msg":"starting"/)
      starting.kill('SIGTERM')
      const end = await starting.closed
      expect([end.code, linesOf(end).at(-1)]).toMatchObject([
        0,
        { signal: 'SIGTERM', msg: 'stopped before it had started' },
      ])
    })
  })

  it('keeps the four tables as they are known, and never tells its password', async () => {
    const url = cluster.url(database).replace('postgres@', 'postgres:secret-word@')
    const server = await ServerProgram.start(['--store', url, '--debug'])
    const client = server.client()
    const user_id = await client.user({ USDT: '10' })
    await client.put(user_id, 'BID', '2', '1.5', { signature: 'sig' })
    await client.call('DebugDump')
    const rows = (text: string): Promise<object[]> => cluster.sql(database, text)
    expect(await rows('SELECT end_operation_log_id, end_order_id, end_trade_id FROM slice_history')).toEqual([
      { end_operation_log_id: '3', end_order_id: '1', end_trade_id: '0' },
    ])
    expect(await rows('SELECT id, order_side, price::text, frozen::text FROM order_slice')).toEqual([
      { id: '1', order_side: 'BID', price: '1.50000000', frozen: '3.00000000' },
    ])
    expect(await rows('SELECT user_id, asset, t FROM balance_slice ORDER BY t')).toEqual([
      { user_id, asset: 'USDT', t: 1 },
      { user_id, asset: 'USDT', t: 2 },
    ])
    expect(await rows('SELECT id, method FROM operation_log ORDER BY id DESC LIMIT 1')).toEqual([
      { id: '3', method: 'order_put' },
    ])
    const end = await server.end('SIGTERM')
    expect(end.stdout + end.stderr).not.toContain('secret-word')
  })
})

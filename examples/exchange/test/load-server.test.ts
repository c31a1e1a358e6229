import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js'
import { Fixture } from '../../../test/helpers/fixture'
import type { Percentiles } from '../load/latency'
import type { LoadReport } from '../load/run'
import { runLoad } from '../load/run'
import { matchengineService } from '../proto/service'
import { ServerProgram, temporaryDirectory } from './server-program'

describe('load on a server', () => {
  const directory = temporaryDirectory()

  it('finds every answer right while snapshots are taken', async () => {
    const server = await ServerProgram.start(['--directory', directory.path, '--interval', '1'])
    const args = [
      '--port',
      String(server.port),
      '--rate',
      '300',
      '--seconds',
      '4',
      '--orders',
      '1000',
      '--users',
      '20',
      '--json',
    ]
    const load = await new Fixture('../../examples/exchange/load/main', args).closed
    expect([load.code, load.stderr]).toEqual([0, ''])
    const report = JSON.parse(load.stdout) as LoadReport & { latencyMs: Percentiles; perSecondMs: Percentiles[] }
    expect(report.violations).toEqual({ count: 0, first: [] })
    expect(report.answered).toBe(1200)
    expect(report.latencyMs.count).toBe(1200)
    expect(report.perSecondMs.length).toBeGreaterThanOrEqual(4)
    // Refusals that were meant to be are in the mix, among much that is not refused.
    expect(report.endings['OrderPut OK']).toBeGreaterThan(1000)
    expect(report.endings['OrderCancel OK']).toBeGreaterThan(50)
    const saved = await server.logged('snapshot saved')
    expect(saved.rows).toBeGreaterThan(0)
    expect((await server.end('SIGTERM')).code).toBe(0)
  })

  it('reports a server that goes away, with an exit code', async () => {
    const server = await ServerProgram.start(['--directory', directory.path])
    const args = ['--port', String(server.port), '--rate', '200', '--seconds', '3', '--json', '--users', '5']
    const load = new Fixture('../../examples/exchange/load/main', args)
    await untilTrading(server)
    await server.end('SIGKILL')
    const end = await load.closed
    expect(end.code).toBe(1)
    const { violations } = JSON.parse(end.stdout) as LoadReport
    expect(violations.first[0]).toMatch(/UNAVAILABLE/)
  })

  it('does not load other machines unless told so', async () => {
    const end = await new Fixture('../../examples/exchange/load/main', ['--host', '192.0.2.1']).closed
    expect(end.code).toBe(2)
    expect(end.stderr).toMatch('--remote')
  })
})

/** Resolves once orders have reached the server. */
async function untilTrading(server: ServerProgram): Promise<void> {
  const client = server.client()
  for (;;) {
    const { market_summaries: markets } = await client.call('MarketSummary')
    if (markets.some(({ ask_count }) => ask_count > 10)) return
  }
}

describe('load on a server that lies', () => {
  let server: Server
  let nextId = 0

  /** Answers every order as it should be, but for what `lie` makes of it. */
  async function start(lie: (order: Record<string, unknown>) => object): Promise<number> {
    const answer =
      (make: (request: Record<string, unknown>) => object): handleUnaryCall<Record<string, unknown>, object> =>
      ({ request }, callback) =>
        callback(null, make(request))
    const { service } = matchengineService()
    const nothing = answer(() => ({}))
    const order = answer((request) => {
      const figures = { remain: request.amount, finished_base: '0', finished_quote: '0', finished_fee: '0' }
      return lie({ ...request, id: ++nextId, create_time: 1, update_time: 1, ...figures })
    })
    server = new Server()
    server.addService(service, {
      ...Object.fromEntries(Object.keys(service).map((name) => [name, nothing])),
      RegisterUser: answer(() => ({ user_id: ++nextId })),
      OrderPut: order,
    })
    return new Promise((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    )
  }

  afterEach(() => server.forceShutdown())

  const load = async (lie: (order: Record<string, unknown>) => object) => {
    const port = await start(lie)
    const options = { port, rate: 200, seconds: 0.2, users: 3, mix: 'orders', audit: false } as const
    return (await runLoad(options)).violations
  }

  it('finds nothing where it does not lie', async () => {
    expect(await load((order) => order)).toEqual({ count: 0, first: [] })
  })

  it.each([
    ['an id twice', { id: 1_000_000 }, 'order'],
    ['another user', { user_id: 99 }, 'user_id'],
    ['another price', { price: '1.23' }, 'price'],
    ['more left than there was', { remain: '100000.0000' }, 'left'],
  ])('finds %s', async (_, lie, text) => {
    const { count, first } = await load((order) => ({ ...order, ...lie }))
    expect(count).toBeGreaterThan(10)
    expect(first[0]).toMatch(text)
  })
})

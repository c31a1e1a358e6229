import { Cluster, reasonAgainstPostgres } from '../../../test/helpers/postgres'
import { describeUnless } from '../../../test/helpers/store-fixture'
import { Random } from '../random'
import { CrashDepositor, CrashTrader } from './crash-trader'
import { linesOf, ServerProgram, temporaryDirectory } from './server-program'

const LIVES = 6
const SEED = 20261125
const BASES = ['ETH', 'UNI', 'LINK', 'MATIC']
/** Answers after which the server is killed; with a snapshot every 200 ms some come before, some during the first one. */
const ANSWERS_MAX = 1000

const directory = temporaryDirectory()

/** Clients trade, the server is killed, restarted and asked what it knows, again and again. Returns what was recovered. */
async function liveAndDie(args: readonly string[], seed: number): Promise<{ slices: number; replayed: number }> {
  const random = Random.seeded(seed)
  const given = new Set<string>()
  const traders = BASES.map((base, i) => new CrashTrader(base, seed + i, given))
  const clients = [...traders, new CrashDepositor()]
  const recovered = { slices: 0, replayed: 0 }
  const all = ['--directory', directory.path, '--interval', '0.2', ...args]
  for (let life = 0; life < LIVES; life++) {
    // One that dies before it listens must not have spoilt anything either.
    if (life % 3 === 2) await dieEarly(all, random)
    const server = await ServerProgram.start(all)
    if (life === 0) for (const client of clients) await client.begin(server.client())
    const { sliceId, replayed } = await server.logged('recovered')
    if (sliceId !== undefined) recovered.slices++
    recovered.replayed += Number(replayed)
    for (const client of clients) await client.check(server.client())
    let left = random.between(1, ANSWERS_MAX)
    const onAnswer = (): void => {
      if (--left === 0) server.kill('SIGKILL')
    }
    await Promise.all(clients.map((client) => client.run(server.client(), onAnswer)))
    expect((await server.end('SIGKILL').catch(() => server.ended)).signal).toBe('SIGKILL')
  }
  const server = await ServerProgram.start(all)
  for (const client of clients) await client.check(server.client())
  const end = await server.end('SIGTERM')
  expect([end.code, linesOf(end).at(-1)?.msg]).toEqual([0, 'stopped'])
  expect(Math.min(...traders.map(({ answered }) => answered))).toBeGreaterThan(LIVES)
  return recovered
}

async function dieEarly(args: readonly string[], random: Random): Promise<void> {
  const fixture = ServerProgram.launch(args)
  await fixture.line(random.below(2) === 0 ? /"msg":"starting"/ : /"msg":"recovered"/)
  fixture.kill('SIGKILL')
  await fixture.closed
}

/** A run that never had both a slice and operations after it would prove little. */
function expectWorthwhile({ slices, replayed }: { slices: number; replayed: number }): void {
  expect(slices).toBeGreaterThan(1)
  expect(replayed).toBeGreaterThan(100)
}

describe(`clients trade while the server is killed ${LIVES} times`, () => {
  it('nothing that was answered is missing or doubled, with slices and log in files', async () => {
    expectWorthwhile(await liveAndDie([], SEED))
  }, 180_000)

  it.each([
    ['everysec', 'heap'],
    ['no', 'arena'],
  ])(
    'nor with the policy %s, since only the process dies, and orders in the %s',
    async (policy, state) => {
      expectWorthwhile(await liveAndDie(['--log', policy, '--state', state], SEED + 10))
    },
    180_000,
  )
})

describeUnless(reasonAgainstPostgres, 'the same', () => {
  let cluster: Cluster
  let url: string

  beforeAll(async () => {
    cluster = await Cluster.start()
  })
  beforeEach(async () => {
    url = cluster.url(await cluster.createDatabase())
  })
  afterAll(() => cluster.dispose())

  it('with slices and log in PostgreSQL', async () => {
    expectWorthwhile(await liveAndDie(['--store', url], SEED + 20))
  }, 180_000)

  it('with slices in PostgreSQL and the log in files', async () => {
    expectWorthwhile(await liveAndDie(['--store', url, '--log-store', 'file'], SEED + 30))
  }, 180_000)

  it('with slices in files and the log in PostgreSQL', async () => {
    expectWorthwhile(await liveAndDie(['--log-store', url], SEED + 40))
  }, 180_000)
})

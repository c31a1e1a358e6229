import { Fixture } from '../../../test/helpers/fixture'
import { Cluster, reasonAgainstPostgres } from '../../../test/helpers/postgres'
import { describeUnless } from '../../../test/helpers/store-fixture'
import type { StateKind } from '../engine'

interface State {
  readonly digest: string
  readonly operationId: number
  readonly orders: number
}

/** A process with the exchange; see `life.ts`. */
class Life {
  readonly #fixture = new Fixture('../../examples/exchange/test/life')

  constructor(url: string, tables: Readonly<Record<string, string>>, state: StateKind) {
    this.#fixture.say(JSON.stringify({ url, tables, state }))
  }

  async recovered(): Promise<{ recovered: State; sliceId: number; entries: number }> {
    return JSON.parse(await this.#fixture.line(/^\{"recovered":/)) as Awaited<ReturnType<Life['recovered']>>
  }

  /** Each command is given once, so that its answer is known. */
  async do(command: string): Promise<State> {
    this.#fixture.say(command)
    const line = await this.#fixture.line(new RegExp(`^\\{"${command}":`))
    return (JSON.parse(line) as Record<string, State>)[command]
  }

  async kill(): Promise<void> {
    this.#fixture.kill('SIGKILL')
    expect((await this.#fixture.closed).stderr).toBe('')
  }
}

const ORDER_COLUMNS = (quantity: string, fine: string, rate: string) => `
  id bigint CHECK (id >= 0), slice_id bigint CHECK (slice_id >= 0), order_type varchar(30), order_side varchar(30),
  create_time timestamp, update_time timestamp, user_id int, market varchar(30), price ${quantity}, amount ${quantity},
  taker_fee ${rate}, maker_fee ${rate}, remain ${quantity}, frozen ${quantity}, finished_base ${quantity},
  finished_quote ${fine}, finished_fee ${fine}, post_only bool, signature bytea, PRIMARY KEY (slice_id, id)`

describeUnless(reasonAgainstPostgres, 'the exchange in PostgreSQL', () => {
  let cluster: Cluster
  let database: string
  beforeAll(async () => (cluster = await Cluster.start()))
  beforeEach(async () => (database = await cluster.createDatabase()))
  afterAll(() => cluster.dispose())

  const sql = (text: string) => cluster.sql(database, text)

  /** Trades, saves, is killed and recovers, with the same state each time, by slice and log and by the log alone. */
  async function lives(
    tables: Readonly<Record<string, string>>,
    states: readonly StateKind[] = ['heap'],
  ): Promise<void> {
    let births = 0
    const begin = () => new Life(cluster.url(database), tables, states[births++ % states.length])
    let life = begin()
    expect(await life.recovered()).toMatchObject({ sliceId: 0, entries: 0 })
    const traded = await life.do('trade 1000')
    await life.kill()

    life = begin()
    expect(await life.recovered()).toEqual({ recovered: traded, sliceId: 0, entries: traded.operationId })
    await life.do('trade 500')
    const saved = await life.do('save')
    const after = await life.do('trade 700')
    expect(after.operationId).toBe(saved.operationId + 700)
    await life.kill()

    life = begin()
    expect(await life.recovered()).toEqual({ recovered: after, sliceId: 1, entries: 700 })
    await life.do('save')
    await life.kill()

    life = begin()
    expect(await life.recovered()).toEqual({ recovered: after, sliceId: 2, entries: 0 })
    await life.do('trade 10')
    await life.kill()
  }

  it('has the same state after each kill, in tables that the store has made, orders on the heap and in an arena', async () => {
    await lives({}, ['heap', 'arena'])
  })

  it.each([
    ['no digits', ['numeric', 'numeric', 'numeric']],
    ['30 digits', ['numeric(30,8)', 'numeric(30,16)', 'numeric(30,4)']],
  ])('the same in the tables of a database that is there already, whose numerics declare %s', async (_, types) => {
    const [quantity = '', fine = '', rate = ''] = types
    await sql('CREATE SCHEMA exchange')
    await sql(`CREATE TABLE exchange.order_slice (${ORDER_COLUMNS(quantity, fine, rate)})`)
    await sql(
      `CREATE TABLE exchange.balance_slice (id bigint, slice_id bigint, user_id int, asset varchar(30), t smallint,
         balance numeric(30,16), PRIMARY KEY (slice_id, id))`,
    )
    await lives({ order_slice: 'exchange.order_slice', balance_slice: 'exchange.balance_slice' })
    const [{ n } = { n: 0 }] = await sql('SELECT count(*)::int AS n FROM exchange.order_slice')
    expect(n).toBeGreaterThan(2_000)
  })
})

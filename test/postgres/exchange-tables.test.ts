import { digest } from '../../examples/exchange/digest'
import { metaOf, recoverEngine, type Recovered, writeEngine } from '../../examples/exchange/persistence'
import { flowTime } from '../../examples/exchange/steady-flow'
import { PostgresOperationLog } from '../../src/oplog/postgres'
import type { PostgresStore } from '../../src/store/postgres'
import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { PostgresStores, publishInto } from '../helpers/postgres-store'
import { describeUnless } from '../helpers/store-fixture'

/** The four tables of the exchange, made by hand, as its own server would have made them. */
const TABLES = `
  CREATE SCHEMA exchange;
  CREATE TABLE exchange.slice_history (
    id bigserial PRIMARY KEY, time bigint NOT NULL CHECK (time >= 0),
    end_operation_log_id bigint NOT NULL CHECK (end_operation_log_id >= 0),
    end_order_id bigint NOT NULL CHECK (end_order_id >= 0), end_trade_id bigint NOT NULL CHECK (end_trade_id >= 0));
  CREATE TABLE exchange.order_slice (
    id bigint NOT NULL, slice_id bigint NOT NULL, order_type varchar(30) NOT NULL, order_side varchar(30) NOT NULL,
    create_time timestamp NOT NULL, update_time timestamp NOT NULL, user_id int NOT NULL,
    market varchar(30) NOT NULL, price numeric NOT NULL, amount numeric NOT NULL, taker_fee numeric NOT NULL,
    maker_fee numeric NOT NULL, remain numeric NOT NULL, frozen numeric NOT NULL, finished_base numeric NOT NULL,
    finished_quote numeric NOT NULL, finished_fee numeric NOT NULL, post_only bool NOT NULL DEFAULT false,
    signature bytea NOT NULL, PRIMARY KEY (slice_id, id));
  CREATE TABLE exchange.balance_slice (
    id bigint NOT NULL, slice_id bigint NOT NULL, user_id int NOT NULL, asset varchar(30) NOT NULL,
    t smallint NOT NULL, balance numeric(30,16) NOT NULL);
  CREATE TABLE exchange.operation_log (
    id bigint PRIMARY KEY, time timestamp NOT NULL, method text NOT NULL, params text NOT NULL)`

describeUnless(reasonAgainstPostgres, "The exchange's state in the four tables of its database", () => {
  let cluster: Cluster
  let database: string
  const stores = new PostgresStores()
  const logs: PostgresOperationLog[] = []
  beforeAll(async () => (cluster = await Cluster.start()))
  beforeEach(async () => {
    database = await cluster.createDatabase()
    await sql(TABLES)
  })
  afterEach(closeAll)
  afterAll(() => cluster.dispose())

  const sql = (text: string) => cluster.sql<Record<string, unknown>>(database, text)

  async function closeAll(): Promise<void> {
    for (const log of logs.splice(0)) await log.close()
    await stores.closeAll()
  }

  interface Life extends Recovered {
    readonly store: PostgresStore
    readonly log: PostgresOperationLog
  }

  async function begin(): Promise<Life> {
    const connection = cluster.config(database)
    const names = ['slice_history', 'order_slice', 'balance_slice']
    const tables = Object.fromEntries(names.map((name) => [name, `exchange.${name}`]))
    const store = stores.make(connection, { tables, keep: { count: 1 } })
    const log = new PostgresOperationLog({ connection, table: 'exchange.operation_log' })
    logs.push(log)
    return { store, log, ...(await recoverEngine({ store, log, seed: 3, onProgress: () => undefined })) }
  }

  function trade({ flow }: Life, operations: number): void {
    for (let i = 0; i < operations; i++) flow.next(flowTime(flow))
  }

  async function save({ store, log, engine, flow }: Life): Promise<bigint> {
    const meta = metaOf(engine, flow)
    await log.sync(meta.position)
    return (await publishInto(store, (slice) => writeEngine(engine, slice), meta)).sliceId
  }

  it('is saved, restored and gone on from, twice, with the meaning that the tables have', async () => {
    let life = await begin()
    life.flow.fillBooks(200, flowTime(life.flow))
    for (let round = 0; round < 2; round++) {
      trade(life, 400)
      const sliceId = await save(life)
      const { engine, flow } = life
      const position = String(flow.state.operationId)
      const saved = {
        id: String(sliceId),
        log: position,
        orders: String(engine.orderId),
        trades: String(engine.tradeId),
      }
      trade(life, 100)
      await life.log.sync()
      const before = [digest(engine), flow.state.operationId]
      expect(await life.store.prune()).toHaveLength(round)
      await closeAll()
      const history = `SELECT id, end_operation_log_id AS log, end_order_id AS orders, end_trade_id AS trades FROM exchange.slice_history`
      expect(await sql(history)).toEqual([saved])
      for (const table of ['order_slice', 'balance_slice']) {
        const found = await sql(`SELECT slice_id, count(*) > 0 AS some FROM exchange.${table} GROUP BY 1`)
        expect(found).toEqual([{ slice_id: String(sliceId), some: true }])
      }
      life = await begin()
      expect([digest(life.engine), life.flow.state.operationId]).toEqual(before)
      expect(life.report).toMatchObject({ slice: { sliceId }, log: { entries: 100 } })
    }
    const elsewhere = await sql(`SELECT to_regclass('public.order_slice') AS found`)
    expect(elsewhere).toEqual([{ found: null }])
  })
})

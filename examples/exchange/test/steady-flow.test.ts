import { PostgresOperationLog } from 'forksnap'
import { Cluster, reasonAgainstPostgres } from '../../../test/helpers/postgres'
import { describeUnless } from '../../../test/helpers/store-fixture'
import { digest } from '../digest'
import { LoggedEngine } from '../demo-engine'
import { Flow } from '../flow'
import { flowTime, SteadyFlow } from '../steady-flow'

/** Entries that may wait: at the rate of the load that is a hundredth of a second. */
const PENDING_MAX = 100
const RATE = 10_000

describeUnless(reasonAgainstPostgres, 'the load, when the database of the log is away', () => {
  let cluster: Cluster
  let database = ''
  beforeAll(async () => (cluster = await Cluster.start()))
  beforeEach(async () => (database = await cluster.createDatabase()))
  afterAll(() => cluster.dispose())

  async function trading(totalMs: number) {
    const connection = cluster.config(database)
    const retry = { initialMs: 1, maxMs: 20, totalMs }
    const log = new PostgresOperationLog({ connection, retry, maxPendingEntries: PENDING_MAX })
    await log.start()
    const engine = new LoggedEngine()
    engine.logTo(log)
    const flow = new Flow(engine, { seed: 1 })
    for (const _ of flow.filling(200, flowTime(flow))) await engine.ready()
    let heard: (() => void) | undefined
    const load = new SteadyFlow(flow, engine, RATE, () => heard?.())
    /** Resolves when so many operations are done. */
    const done = (count: number) =>
      new Promise<void>((resolve) => (heard = () => (load.done >= count ? resolve() : undefined)))
    /** Resolves when no more fits into the log. */
    const full = async () => {
      while (log.lastId - log.durableId < PENDING_MAX && log.failure === undefined)
        await new Promise((resolve) => setImmediate(resolve))
    }
    return { log, engine, flow, load, done, full }
  }

  it('waits while the log has no room, goes on when it is back, and answers only what is durable', async () => {
    const { log, engine, load, done, full } = await trading(60_000)
    await done(500)
    cluster.stop('immediate')
    await full()
    const { done: stoppedAt, answered } = load
    expect(answered).toBeLessThan(stoppedAt + PENDING_MAX)
    expect(log.lastId - log.durableId).toBe(BigInt(PENDING_MAX))
    cluster.start()
    await done(stoppedAt + 1_000)
    await load.stop()
    expect(load.answered).toBe(load.done)
    expect(log.durableId).toBe(log.lastId)
    const replayed = new LoggedEngine()
    for await (const entries of log.read(0n)) for (const entry of entries) replayed.apply(entry as never)
    expect(digest(replayed)).toBe(digest(engine))
    await log.close()
  })

  it('ends with the error of a log that has failed, and has applied nothing that was not logged', async () => {
    const { log, flow, load, done } = await trading(200)
    await done(100)
    cluster.stop('immediate')
    await expect(load.ended).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    await expect(load.stop()).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    expect(BigInt(flow.state.operationId)).toBe(log.lastId)
    expect(load.answered).toBeLessThanOrEqual(Number(log.durableId))
    cluster.start()
    await log.close()
  })
})

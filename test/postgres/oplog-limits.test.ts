import type { PostgresOperationLog } from '../../src/oplog/postgres'
import { idsOf, LogTests, op, readAll, span, until } from '../helpers/postgres-oplog'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { CuttingProxy } from '../helpers/postgres-proxy'
import { describeUnless } from '../helpers/store-fixture'

const ANSWER_MS = 300
const NO_ANSWER = { code: 'ERR_STORE_FAILED', errno: 'ETIMEDOUT' }

describeUnless(reasonAgainstPostgres, 'PostgresOperationLog with a database that gives no answer', () => {
  const tests = new LogTests({ settings: { log_statement: 'all', log_min_messages: 'log' } })
  let proxy: CuttingProxy
  beforeEach(async () => {
    proxy = await CuttingProxy.start(tests.cluster)
  })
  afterEach(() => proxy.close())

  const open = (): PostgresOperationLog =>
    tests.open({
      connection: { ...proxy.config(tests.database), connectionTimeoutMillis: ANSWER_MS },
      answerMs: ANSWER_MS,
      retry: { totalMs: 0 },
    })

  async function filled(entries: number): Promise<PostgresOperationLog> {
    const log = open()
    await log.start()
    for (let n = 1; n <= entries; n++) log.append(op(n))
    await log.sync()
    return log
  }

  test.each(['', 'pg_advisory_lock_shared', 'FOR SHARE', 'DELETE FROM'])('prune gives up at %j', async (text) => {
    const log = await filled(10)
    proxy.muteAt(text)
    await expect(log.prune(4n)).rejects.toMatchObject(NO_ANSWER)
    proxy.muteAt(undefined)
    await log.prune(5n)
    expect(idsOf(await readAll(log, 5n))).toEqual(span(6, 10))
    await expect(readAll(log)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
  })

  test.each(['', 'enable_seqscan', 'row_number()'])('read gives up at %j', async (text) => {
    const log = await filled(10)
    proxy.muteAt(text)
    await expect(readAll(log)).rejects.toMatchObject(NO_ANSWER)
    proxy.muteAt(undefined)
    expect(idsOf(await readAll(log))).toEqual(span(1, 10))
  })

  test.each(['', 'to_regclass', 'max(id)'])('read without a start gives up at %j', async (text) => {
    await (await filled(10)).close()
    proxy.muteAt(text)
    await expect(readAll(open())).rejects.toMatchObject(NO_ANSWER)
  })

  test.each(['', 'pg_try_advisory_lock', 'count(*)'])('start gives up at %j', async (text) => {
    await (await filled(10)).close()
    proxy.muteAt(text)
    const log = open()
    await expect(log.start()).rejects.toMatchObject(NO_ANSWER)
    proxy.muteAt(undefined)
  })

  test('reading ends if the server stops in the middle of it', async () => {
    const log = await filled(10_000)
    const pages = log.read(0n)
    await pages.next()
    const [reader] = await tests.sql<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE query LIKE '%row_number()%' AND pid <> pg_backend_pid()`,
    )
    process.kill(reader.pid, 'SIGSTOP')
    try {
      const rest = async (): Promise<void> => {
        while ((await pages.next()).done !== true);
      }
      await expect(rest()).rejects.toMatchObject(NO_ANSWER)
    } finally {
      process.kill(reader.pid, 'SIGCONT')
    }
    expect(await readAll(log, 9_000n)).toHaveLength(1_000)
  })

  test('prune waits for what the server is working on, however long that takes', async () => {
    const log = await filled(10)
    const lock = await tests.block()
    const looks = (): number => tests.cluster.log().split('wait_event_type IS DISTINCT FROM').length
    const before = looks()
    const pruning = log.prune(5n)
    await until(() => looks() >= before + 2)
    await lock.release()
    await pruning
    expect(idsOf(await readAll(log, 5n))).toEqual(span(6, 10))
  })
})

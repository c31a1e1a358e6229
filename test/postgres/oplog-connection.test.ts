import { inspect } from 'node:util'
import type { PostgresOperationLog } from '../../src/oplog/postgres'
import { codeOf, type Fault, idsOf, LogTests, op, Proxy, readAll, span, until } from '../helpers/postgres-oplog'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { describeUnless } from '../helpers/store-fixture'

const FAST = { initialMs: 1, maxMs: 20 }

/** Adds entries whose params hold the ids that they should get. */
function add(log: PostgresOperationLog, count: number): Promise<void>[] {
  return Array.from({ length: count }, () => log.append(op(Number(log.lastId) + 1)).durable)
}

describeUnless(reasonAgainstPostgres, 'PostgresOperationLog: connections that are lost', () => {
  const tests = new LogTests({ access: ['local all secretive scram-sha-256'] })
  let proxy: Proxy
  beforeEach(async () => {
    proxy = await Proxy.start(tests.cluster)
  })
  afterEach(() => proxy.close())

  const throughProxy = () => ({ ...tests.cluster.config(tests.database), ...proxy.address })

  async function expectWhole(entries: number): Promise<void> {
    expect(await tests.table()).toEqual(span(1, entries).map((id) => ({ id, n: Number(id) })))
  }

  test.each<Fault>(['lose the answer', 'lose the request'])(
    '%s: each batch is in the table once, and durable resolves',
    async (fault) => {
      const log = await tests.started({ connection: throughProxy(), retry: FAST, batchEntries: 10 })
      for (let round = 1; round <= 5; round++) {
        proxy.arm(fault)
        await Promise.all(add(log, 100))
        expect(proxy.faults).toBe(round)
        await expectWhole(round * 100)
      }
    },
  )

  test('the server still works on a batch whose connection is lost: it is ended first, and nothing is doubled', async () => {
    const log = await tests.started({ connection: throughProxy(), retry: FAST })
    const backends = () =>
      tests.sql<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'forksnap log'`,
      )
    const [first] = await backends()
    const lock = await tests.block()
    proxy.arm('forget the client')
    const early = add(log, 10)
    await lock.waited()
    await until(async () => (await backends()).every(({ pid }) => pid !== first?.pid))
    const later = add(log, 10)
    await lock.release()
    await Promise.all([...early, ...later])
    await expectWhole(20)
  })

  test('a connection that gives no answer counts as lost after answerMs', async () => {
    const log = await tests.started({ connection: throughProxy(), retry: FAST, answerMs: 200 })
    proxy.arm('swallow the answer')
    await Promise.all(add(log, 10))
    expect(proxy.faults).toBe(1)
    await expectWhole(10)
  })

  test('a batch that an operator cancels is tried again', async () => {
    const log = await tests.started({ retry: FAST })
    const lock = await tests.block()
    const all = add(log, 10)
    await lock.waited()
    await tests.sql(
      `SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'operation_log'::regclass`,
    )
    await lock.release()
    await Promise.all(all)
    await expectWhole(10)
  })

  test('a connection that is lost while nothing is written is replaced, and keeps others out again', async () => {
    const log = await tests.started({ retry: FAST })
    const holder = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
    const [before] = await tests.sql<{ pid: number }>(holder)
    await tests.sql('SELECT pg_terminate_backend($1)', [before?.pid])
    await until(async () => ![undefined, before?.pid].includes((await tests.sql<{ pid: number }>(holder))[0]?.pid))
    await expect(tests.open().start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    await Promise.all(add(log, 1))
    await expectWhole(1)
  })

  test('after the limit the log fails, tells everybody who waits, and stops', async () => {
    const log = await tests.started({ retry: { ...FAST, totalMs: 200 }, maxPendingEntries: 10 })
    await Promise.all(add(log, 5))
    tests.cluster.stop('immediate')
    const waiting = add(log, 10)
    const ready = log.ready()
    const synced = log.sync()
    for (const promise of [...waiting, ready, synced]) {
      await expect(promise).rejects.toMatchObject({ code: 'ERR_LOG_FAILED', cause: { code: 'ERR_STORE_FAILED' } })
    }
    expect(log.failure).toMatchObject({ code: 'ERR_LOG_FAILED' })
    expect(codeOf(() => log.append(op(1)))).toBe('ERR_LOG_FAILED')
    expect(log.durableId).toBe(5n)
    await log.close()
    tests.cluster.start()
    const again = await tests.started()
    expect(idsOf(await readAll(again))).toEqual(span(1, 5))
  })

  test('close rejects if what was appended cannot be made durable', async () => {
    const log = await tests.started({ retry: { ...FAST, totalMs: 50 } })
    tests.cluster.stop('immediate')
    const { durable } = log.append(op(1))
    await expect(log.close()).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    await expect(durable).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    tests.cluster.start()
  })

  test('a server that comes back without entries that it had confirmed gets no hole', async () => {
    const log = await tests.started({ connection: throughProxy(), retry: FAST })
    await Promise.all(add(log, 10))
    await tests.sql('DELETE FROM operation_log WHERE id > 7')
    proxy.arm('lose the request')
    await expect(log.append(op(11)).durable).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
      cause: { code: 'ERR_LOG_GAP', message: expect.stringContaining('8 to 10') as string },
    })
    expect((await tests.table()).map(({ id }) => id)).toEqual(span(1, 7))
  })

  test('a server that is found set back while nothing is written ends the log, which was told of it by nobody', async () => {
    const log = await tests.started({ retry: FAST })
    await Promise.all(add(log, 10))
    await tests.sql('DELETE FROM operation_log WHERE id > 7')
    await tests.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forksnap log'`)
    await until(() => log.failure !== undefined)
    expect(log.failure).toMatchObject({
      cause: { code: 'ERR_LOG_GAP', message: expect.stringContaining('8 to 10') as string },
    })
    expect(codeOf(() => log.append(op(11)))).toBe('ERR_LOG_FAILED')
    expect((await tests.table()).map(({ id }) => id)).toEqual(span(1, 7))
  })

  test('entries of somebody else that are found while nothing is written end it too', async () => {
    const log = await tests.started({ retry: FAST })
    await Promise.all(add(log, 3))
    await tests.sql(`INSERT INTO operation_log VALUES (4, now(), 'put', '{"n":4}')`)
    await tests.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forksnap log'`)
    await until(() => log.failure !== undefined)
    expect(log.failure).toMatchObject({ code: 'ERR_FENCED' })
  })

  test('an idle connection that is lost after a reset, a prune or in the middle of appends is no failure', async () => {
    const log = await tests.started({ retry: FAST })
    const lose = () =>
      tests.sql<{ n: number }>(
        `SELECT count(pg_terminate_backend(pid, 10000))::int AS n FROM pg_stat_activity WHERE application_name = 'forksnap log'`,
      )
    const appended: Promise<void>[] = []
    for (let round = 0; round < 20; round++) {
      appended.push(...add(log, 50))
      await lose()
    }
    await Promise.all(appended)
    await expectWhole(1000)
    await log.prune(1000n)
    await lose()
    await log.reset(5000n)
    await lose()
    await Promise.all(add(log, 2))
    expect((await tests.table()).map(({ id }) => id)).toEqual([5001n, 5002n])
  })

  test('an entry of somebody else in the place of a batch is not taken for its own', async () => {
    const log = await tests.started({ connection: throughProxy(), retry: FAST })
    await Promise.all(add(log, 3))
    await tests.sql(`INSERT INTO operation_log VALUES (4, now(), 'put', '{"n":4}')`)
    proxy.arm('lose the request')
    await expect(log.append(op(4)).durable).rejects.toMatchObject({ code: 'ERR_FENCED' })
  })

  test('the same without a lost connection', async () => {
    const log = await tests.started()
    await tests.sql(`INSERT INTO operation_log VALUES (1, now(), 'put', '{}')`)
    await expect(log.append(op(1)).durable).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
  })

  test('no password is shown by the log, by its errors or by the server', async () => {
    const password = 'hunter2-hunter2'
    await tests.sql(`CREATE ROLE secretive LOGIN SUPERUSER PASSWORD '${password}'`)
    const { host, port } = tests.cluster.config()
    const connection = { host: host ?? '', port: port ?? 0, database: tests.database, user: 'secretive', password }
    const log = await tests.started({ connection, retry: { ...FAST, totalMs: 50 } })
    const url = `postgres://secretive:wrong-${password}@/${tests.database}?host=${encodeURIComponent(connection.host)}&port=${connection.port}`
    const refused: unknown = await tests
      .open({ connection: url })
      .start()
      .catch((error: unknown) => error)
    const shown = await tests.sql('SELECT * FROM pg_stat_activity')
    tests.cluster.stop('immediate')
    const failed: unknown = await log.append(op(1)).durable.catch((error: unknown) => error)
    tests.cluster.start()
    expect(codeOf(() => log.append(op(2)))).toBe('ERR_LOG_FAILED')
    expect(refused).toMatchObject({ code: 'ERR_STORE_FAILED', errno: '28P01' })
    for (const value of [log, refused, failed, shown, process.title, process.argv]) {
      expect(inspect(value, { depth: 10, showHidden: true })).not.toContain('hunter2')
    }
  })
})

import { codeOf, idsOf, LogTests, op, readAll, span, until } from '../helpers/postgres-oplog'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { describeUnless } from '../helpers/store-fixture'

describeUnless(reasonAgainstPostgres, 'PostgresOperationLog', () => {
  const tests = new LogTests()

  describe('append and read', () => {
    test('an empty log begins with id 1; what is appended is read back in order, after a restart too', async () => {
      const log = tests.open()
      expect(await log.start()).toEqual({ firstId: 0n, lastId: 0n })
      const appended = Array.from({ length: 1_000 }, (_, n) => log.append(op(n)))
      expect(appended.map(({ id }) => id)).toEqual(span(1, 1_000))
      await Promise.all(appended.map(({ durable }) => durable))
      expect([log.lastId, log.durableId, log.failure]).toEqual([1_000n, 1_000n, undefined])
      await log.close()

      const again = tests.open()
      expect(await again.start()).toEqual({ firstId: 1n, lastId: 1_000n })
      const entries = await readAll(again)
      expect(entries).toEqual(Array.from({ length: 1_000 }, (_, n) => ({ id: BigInt(n + 1), ...op(n) })))
      expect(idsOf(await readAll(again, 998n))).toEqual([999n, 1_000n])
      expect(await readAll(again, 1_000n)).toEqual([])
      expect(again.append(op(0)).id).toBe(1_001n)
    })

    test('durable resolves when another session sees the entry', async () => {
      const log = await tests.started()
      await log.append(op(1)).durable
      expect(
        await tests.sql('SELECT id, method, params, extract(epoch FROM time)::float8 AS s FROM operation_log'),
      ).toEqual([{ id: '1', method: 'put', params: '{"n":1}', s: 1_700_000_000.001 }])
    })

    test('an entry that is appended as soon as the one before it is durable is written too', async () => {
      const log = await tests.started()
      for (let n = 0; n < 50; n++) await log.append(op(n)).durable
      expect(log.durableId).toBe(50n)
    })

    test('what arrives in one turn of the loop, or while one transaction runs, shares a transaction', async () => {
      const log = await tests.started()
      await tests.sql('CREATE TABLE counted (n int)')
      await tests.sql('CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO counted VALUES (1); RETURN NULL; END $$') // prettier-ignore
      await tests.sql('CREATE TRIGGER t AFTER INSERT ON operation_log FOR EACH STATEMENT EXECUTE FUNCTION count_it()')
      const batches = async (): Promise<unknown> => (await tests.sql('SELECT count(*)::int AS n FROM counted'))[0]
      for (let n = 0; n < 1_000; n++) log.append(op(n))
      await log.sync()
      expect(await batches()).toEqual({ n: 1 })
      const lock = await tests.block()
      log.append(op(0))
      await lock.waited()
      for (let n = 0; n < 3_000; n++) log.append(op(n))
      await lock.release()
      await log.sync()
      expect(await batches()).toEqual({ n: 3 })
    })

    test.each([['times', [-62_135_596_800_000, -1, 0, 1, 1_700_000_000_123, 253_402_300_799_999]]])(
      '%s keep their milliseconds',
      async (_, times) => {
        const log = await tests.started()
        for (const time of times) log.append({ method: 'm', params: null, time })
        await log.sync()
        expect((await readAll(log)).map(({ time }) => time)).toEqual(times)
      },
    )

    test('hostile names and values come back as they were', async () => {
      const values = [
        `'; DROP TABLE operation_log; --`,
        `"`,
        '\\',
        '\\N',
        '{1,2}',
        '\t\n\r\b\f',
        'é€😀',
        '\0',
        ' ',
        '$1',
      ]
      const table = { schema: 'we"ird; sch.ema', name: `o'p"; DROP TABLE x; --` }
      await tests.sql('CREATE SCHEMA "we""ird; sch.ema"')
      const log = await tests.started({ table })
      for (const value of values) log.append({ method: value.replaceAll('\0', '0'), params: { [value]: [value] } })
      await log.sync()
      expect((await readAll(log)).map(({ method, params }) => [method, params])).toEqual(
        values.map((value) => [value.replaceAll('\0', '0'), { [value]: [value] }]),
      )
    })

    test('a value that cannot be kept is refused before it is given an id', async () => {
      const log = await tests.started()
      const codes = [
        { method: 'a\0', params: null },
        { method: '\ud800', params: null },
        { method: 'm', params: '\udc00' },
        { method: 'm', params: Array<string>(1_100).fill('x'.repeat(1024 * 1024)) },
      ].map((operation) => codeOf(() => log.append(operation)))
      expect(codes).toEqual(Array(4).fill('ERR_INVALID_VALUE'))
      expect([log.lastId, log.append(op(1)).id]).toEqual([0n, 1n])
    })

    test('large params go through, alone in their batch', async () => {
      const log = await tests.started()
      const text = 'é'.repeat(10 * 1024 * 1024)
      const all = [log.append(op(1)), log.append({ method: 'large', params: text }), log.append(op(2))]
      await Promise.all(all.map(({ durable }) => durable))
      const entries = await readAll(log)
      expect(entries[1]?.params === text).toBe(true)
      expect(idsOf(entries)).toEqual([1n, 2n, 3n])
    })

    test('the bound holds: ERR_LOG_FULL gives no id, and ready() waits for room', async () => {
      const log = await tests.started({ maxPendingEntries: 10 })
      const lock = await tests.block()
      for (let n = 0; n < 10; n++) log.append(op(n))
      expect(codeOf(() => log.append(op(10)))).toBe('ERR_LOG_FULL')
      const ready = log.ready().then(() => log.append(op(10)).id)
      await lock.release()
      expect(await ready).toBe(11n)
      await log.sync()
      expect(idsOf(await readAll(log))).toHaveLength(11)
    })

    test('the bound in bytes holds for entries of any size', async () => {
      const maxPendingBytes = 1024 * 1024
      const log = await tests.started({ maxPendingBytes })
      const lock = await tests.block()
      const params = 'x'.repeat(100_000)
      let appended = 0
      while (codeOf(() => log.append({ method: 'm', params })) !== 'ERR_LOG_FULL') appended++
      expect(appended).toBe(Math.ceil(maxPendingBytes / (params.length + 3)))
      await lock.release()
    })

    test('pages are bounded in bytes and in entries', async () => {
      const log = await tests.started()
      for (let n = 0; n < 30; n++) log.append({ method: 'm', params: 'x'.repeat(1024 * 1024) })
      log.append({ method: 'm', params: 'x'.repeat(6 * 1024 * 1024) })
      for (let n = 0; n < 5_000; n++) log.append(op(n))
      await log.sync()
      const lengths: number[] = []
      for await (const page of log.read(0n)) lengths.push(page.length)
      expect(lengths.slice(0, 11)).toEqual([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1])
      expect(lengths.slice(11)).toEqual([2_000, 2_000, 1_000])
    })

    test('who stops reading early leaves no connection behind', async () => {
      const log = await tests.started()
      for (let n = 0; n < 5_000; n++) log.append(op(n))
      await log.sync()
      for await (const page of log.read(0n)) if (page.length > 0) break
      const text = `SELECT count(*)::int AS n FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'forksnap log'`
      await until(async () => (await tests.sql<{ n: number }>(text))[0]?.n === 1)
    })

    test('reading while others append gives what was durable when it began, and no gap', async () => {
      const log = await tests.started({ batchEntries: 100 })
      for (let n = 0; n < 5_000; n++) log.append(op(n))
      await log.sync()
      const seen: bigint[] = []
      for await (const page of log.read(10n)) {
        seen.push(...idsOf(page))
        for (let n = 0; n < 500; n++) log.append(op(n))
        await log.sync()
      }
      expect(seen).toEqual(span(11, 5_000))
    })
  })

  describe('prune and reset', () => {
    test('prune removes what is behind the position and keeps the newest entry, so that ids go on', async () => {
      const log = await tests.started()
      for (let n = 0; n < 25_000; n++) log.append(op(n))
      await log.sync()
      await log.prune(20_500n)
      expect(idsOf(await readAll(log, 20_500n))).toHaveLength(4_500)
      await expect(readAll(log, 20_499n)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
      expect(await tests.sql('SELECT min(id)::int AS first FROM operation_log')).toEqual([{ first: 20_501 }])
      await log.prune(1_000_000n)
      await log.close()
      const again = tests.open()
      expect(await again.start()).toEqual({ firstId: 25_000n, lastId: 25_000n })
      expect(again.append(op(1)).id).toBe(25_001n)
    })

    test('prune of an empty log does nothing', async () => {
      const log = await tests.started()
      await log.prune(10n)
      expect(await readAll(log)).toEqual([])
    })

    test('reset forgets every entry and begins after the position, after a restart too', async () => {
      const log = await tests.started()
      log.append(op(1))
      await log.reset(41n)
      expect([log.lastId, log.durableId]).toEqual([41n, 41n])
      await log.close()
      const again = tests.open()
      expect(await again.start()).toEqual({ firstId: 0n, lastId: 0n })
      expect(again.lastId).toBe(41n)
      const { id, durable } = again.append(op(1))
      await durable
      expect([id, idsOf(await readAll(again, 41n))]).toEqual([42n, [42n]])
      await expect(readAll(again, 40n)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
      await again.reset()
      expect(again.append(op(1)).id).toBe(1n)
    })

    test('while a reset goes on nothing can be appended', async () => {
      const log = await tests.started()
      const reset = log.reset()
      expect(codeOf(() => log.append(op(1)))).toBe('ERR_INVALID_STATE')
      await reset
      expect(log.append(op(1)).id).toBe(1n)
    })
  })
})

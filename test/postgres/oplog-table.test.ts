import type { PostgresOperationLogOptions } from '../../src/oplog/postgres-options'
import { codeOf, LogTests, op, readAll } from '../helpers/postgres-oplog'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { describeUnless } from '../helpers/store-fixture'

describeUnless(reasonAgainstPostgres, 'PostgresOperationLog: its table and its states', () => {
  const tests = new LogTests()

  describe('what is wrong in the table', () => {
    async function filled(): Promise<void> {
      const log = await tests.started()
      for (let n = 0; n < 10; n++) log.append(op(n))
      await log.close()
    }

    test.each([
      ['one missing entry', 'id = 4', 'Entry 4 is missing'],
      ['several', 'id BETWEEN 3 AND 7', 'Entries 3 to 7 are missing'],
    ])('%s: start and read tell which', async (_, where, message) => {
      await filled()
      await tests.sql(`DELETE FROM operation_log WHERE ${where}`)
      const expected = { code: 'ERR_LOG_GAP', message: expect.stringContaining(message) as string }
      await expect(tests.open().start()).rejects.toMatchObject(expected)
      await expect(readAll(tests.open())).rejects.toMatchObject(expected)
    })

    test('a gap that is longer than a page is told from end to end', async () => {
      const log = await tests.started()
      for (let n = 0; n < 10_000; n++) log.append(op(n))
      await log.sync()
      await tests.sql('DELETE FROM operation_log WHERE id BETWEEN 100 AND 9900')
      const message = expect.stringContaining('Entries 100 to 9900 are missing') as string
      await expect(readAll(log)).rejects.toMatchObject({ code: 'ERR_LOG_GAP', message })
    })

    test('an id below 1 is none of ours', async () => {
      await filled()
      await tests.sql('UPDATE operation_log SET id = 0 WHERE id = 1')
      await expect(tests.open().start()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' })
    })

    test.each([
      ['params that are no JSON', `params = '{"secret":'`],
      ['an infinite time', `time = 'infinity'`],
      ['an empty method', `method = ''`],
    ])('%s: read stops there with the id', async (_, change) => {
      await filled()
      await tests.sql(`UPDATE operation_log SET ${change} WHERE id = 5`)
      const error: unknown = await readAll(tests.open()).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'ERR_LOG_CORRUPT', message: expect.stringContaining('Entry 5') as string })
      expect(String((error as Error).message)).not.toContain('secret')
    })

    test.each([
      ['no primary key', '(id bigint, time timestamp, method text, params text)', 'primary key'],
      ['a small id', '(id int PRIMARY KEY, time timestamp, method text, params text)', 'bigint'],
      ['a short method', '(id bigint PRIMARY KEY, time timestamp, method varchar(30), params text)', '30'],
      ['no params', '(id bigint PRIMARY KEY, time timestamp, method text)', 'params'],
      ['a needed column', '(id bigint PRIMARY KEY, time timestamp, method text, params text, x int NOT NULL)', '"x"'],
    ])('an existing table with %s is refused', async (_, columns, message) => {
      await tests.sql(`CREATE TABLE operation_log ${columns}`)
      await expect(tests.open().start()).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(message) as string,
      })
    })

    test('an unlogged table, which a crash empties, and a view are refused', async () => {
      await tests.sql(
        'CREATE UNLOGGED TABLE operation_log (id bigint PRIMARY KEY, time timestamp, method text, params text)',
      )
      await tests.sql('CREATE VIEW seen AS SELECT * FROM operation_log')
      await expect(tests.open().start()).rejects.toMatchObject({
        message: expect.stringContaining('unlogged') as string,
      })
      await expect(tests.open({ table: 'seen' }).start()).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    })

    test('an existing table of the known form is used as it is', async () => {
      await tests.sql('CREATE TABLE operation_log (id bigint PRIMARY KEY, time timestamp, method text, params text)')
      await tests.sql(`INSERT INTO operation_log VALUES (7, '2021-02-03 04:05:06.789123', 'order_put', '{"a": 1}')`)
      const log = tests.open()
      expect(await log.start()).toEqual({ firstId: 7n, lastId: 7n })
      await log.append(op(8)).durable
      expect(await readAll(log, 6n)).toEqual([
        { id: 7n, time: Date.UTC(2021, 1, 3, 4, 5, 6, 789), method: 'order_put', params: { a: 1 } },
        { id: 8n, ...op(8) },
      ])
    })

    test('entries that a trigger swallows stop the log', async () => {
      const log = await tests.started()
      await tests.sql('CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$')
      await tests.sql('CREATE TRIGGER t BEFORE INSERT ON operation_log FOR EACH ROW EXECUTE FUNCTION drop_it()')
      await expect(log.append(op(1)).durable).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    })
  })

  describe('states', () => {
    test('append needs start(), and close() ends it', async () => {
      const log = tests.open()
      expect(codeOf(() => log.append(op(1)))).toBe('ERR_INVALID_STATE')
      await log.start()
      const { durable } = log.append(op(1))
      await log.close()
      await durable
      await log.close()
      expect(codeOf(() => log.append(op(2)))).toBe('ERR_INVALID_STATE')
      await expect(log.start()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
    })

    test('start is idempotent, and works again after it has failed', async () => {
      const first = await tests.started()
      const second = tests.open()
      await expect(second.start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
      await first.close()
      expect(await second.start()).toEqual({ firstId: 0n, lastId: 0n })
      expect(await second.start()).toEqual({ firstId: 0n, lastId: 0n })
    })

    test('two tables are two logs', async () => {
      const [one, other] = [await tests.started(), await tests.started({ table: 'other_log' })]
      await Promise.all([one.append(op(1)).durable, other.append(op(2)).durable])
      expect([await readAll(one), await readAll(other)]).toEqual([[{ id: 1n, ...op(1) }], [{ id: 1n, ...op(2) }]])
    })

    test('sync refuses a position that was never given', async () => {
      const log = await tests.started()
      await expect(log.sync(1n)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
      await log.sync(0n)
    })

    test('a log that is not started, and never was, reads as empty', async () => {
      expect(await readAll(tests.open())).toEqual([])
    })

    test.each([
      [{ connection: 'mysql://x' }],
      [{ connection: undefined }],
      [{ table: '' }],
      [{ table: 'a.b.c' }],
      [{ takeover: 1 }],
      [{ maxPendingEntries: 0 }],
      [{ batchBytes: 0.5 }],
      [{ retry: { totalMs: -1 } }],
      [{ tabel: 'x' }],
    ])('refuses the options %p', (options) => {
      expect(codeOf(() => tests.open(options as unknown as PostgresOperationLogOptions))).toBe('ERR_INVALID_ARGUMENT')
    })
  })
})

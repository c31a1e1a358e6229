import { PostgresOperationLog, type PostgresOperationLogOptions } from '../../src/oplog/postgres'
import type { LogEntry, NewOperation } from '../../src/oplog/oplog'
import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { describeUnless } from '../helpers/store-fixture'

const op = (n: number): NewOperation => ({ method: 'put', params: { n }, time: 1_700_000_000_000 + n })

async function readAll(log: PostgresOperationLog, after = 0n): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  for await (const page of log.read(after)) entries.push(...page)
  return entries
}

const ids = (entries: readonly LogEntry[]): bigint[] => entries.map(({ id }) => id)

describeUnless(reasonAgainstPostgres, 'PostgresOperationLog', () => {
  let cluster: Cluster
  let database: string
  const opened: PostgresOperationLog[] = []

  beforeAll(async () => {
    cluster = await Cluster.start()
  })
  afterAll(() => cluster.dispose())
  beforeEach(async () => {
    database = await cluster.createDatabase()
  })
  afterEach(async () => {
    await Promise.allSettled(opened.splice(0).map((log) => log.close()))
  })

  function open(options: Partial<PostgresOperationLogOptions> = {}): PostgresOperationLog {
    const log = new PostgresOperationLog({ connection: cluster.config(database), ...options })
    opened.push(log)
    return log
  }

  async function started(options: Partial<PostgresOperationLogOptions> = {}): Promise<PostgresOperationLog> {
    const log = open(options)
    await log.start()
    return log
  }

  const sql = (text: string, values?: readonly unknown[]) => cluster.sql(database, text, values)

  describe('append and read', () => {
    test('an empty log begins with id 1; what is appended is read back in order, after a restart too', async () => {
      const log = open()
      expect(await log.start()).toEqual({ firstId: 0n, lastId: 0n })
      const appended = Array.from({ length: 1_000 }, (_, n) => log.append(op(n)))
      expect(appended.map(({ id }) => id)).toEqual(Array.from({ length: 1_000 }, (_, n) => BigInt(n + 1)))
      await Promise.all(appended.map(({ durable }) => durable))
      expect([log.lastId, log.durableId, log.failure]).toEqual([1_000n, 1_000n, undefined])
      await log.close()

      const again = open()
      expect(await again.start()).toEqual({ firstId: 1n, lastId: 1_000n })
      const entries = await readAll(again)
      expect(entries).toEqual(Array.from({ length: 1_000 }, (_, n) => ({ id: BigInt(n + 1), ...op(n) })))
      expect(ids(await readAll(again, 998n))).toEqual([999n, 1_000n])
      expect(await readAll(again, 1_000n)).toEqual([])
      expect(again.append(op(0)).id).toBe(1_001n)
    })

    test('durable resolves when another session sees the entry', async () => {
      const log = await started()
      await log.append(op(1)).durable
      expect(await sql('SELECT id, method, params, extract(epoch FROM time)::float8 AS s FROM operation_log')).toEqual([
        { id: '1', method: 'put', params: '{"n":1}', s: 1_700_000_000.001 },
      ])
    })

    test('what arrives while one transaction runs shares the next', async () => {
      const log = await started()
      await sql('CREATE TABLE counted (n int)')
      await sql('CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO counted VALUES (1); RETURN NULL; END $$') // prettier-ignore
      await sql('CREATE TRIGGER t AFTER INSERT ON operation_log FOR EACH STATEMENT EXECUTE FUNCTION count_it()')
      const lock = await blockTable(cluster, database)
      const first = log.append(op(0))
      await lock.waited()
      const others = Array.from({ length: 3_000 }, (_, n) => log.append(op(n)))
      await lock.release()
      await Promise.all([first, ...others].map(({ durable }) => durable))
      expect(await sql('SELECT count(*)::int AS n FROM counted')).toEqual([{ n: 2 }])
    })

    test.each([['times', [-62_135_596_800_000, -1, 0, 1, 1_700_000_000_123, 253_402_300_799_999]]])(
      '%s keep their milliseconds',
      async (_, times) => {
        const log = await started()
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
      await sql('CREATE SCHEMA "we""ird; sch.ema"')
      const log = await started({ table })
      for (const value of values) log.append({ method: value.replaceAll('\0', '0'), params: { [value]: [value] } })
      await log.sync()
      expect((await readAll(log)).map(({ method, params }) => [method, params])).toEqual(
        values.map((value) => [value.replaceAll('\0', '0'), { [value]: [value] }]),
      )
    })

    test('a value that cannot be kept is refused before it is given an id', async () => {
      const log = await started()
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
      const log = await started()
      const text = 'é'.repeat(10 * 1024 * 1024)
      const all = [log.append(op(1)), log.append({ method: 'large', params: text }), log.append(op(2))]
      await Promise.all(all.map(({ durable }) => durable))
      const entries = await readAll(log)
      expect(entries[1]?.params === text).toBe(true)
      expect(ids(entries)).toEqual([1n, 2n, 3n])
    })

    test('the bound holds: ERR_LOG_FULL gives no id, and ready() waits for room', async () => {
      const log = await started({ maxPendingEntries: 10 })
      const lock = await blockTable(cluster, database)
      for (let n = 0; n < 10; n++) log.append(op(n))
      expect(codeOf(() => log.append(op(10)))).toBe('ERR_LOG_FULL')
      const ready = log.ready().then(() => log.append(op(10)).id)
      await lock.release()
      expect(await ready).toBe(11n)
      await log.sync()
      expect(ids(await readAll(log))).toHaveLength(11)
    })

    test('reading while others append gives what was durable when it began, and no gap', async () => {
      const log = await started({ batchEntries: 100 })
      for (let n = 0; n < 5_000; n++) log.append(op(n))
      await log.sync()
      const seen: bigint[] = []
      for await (const page of log.read(10n)) {
        seen.push(...ids(page))
        for (let n = 0; n < 500; n++) log.append(op(n))
        await log.sync()
      }
      expect(seen).toEqual(Array.from({ length: 4_990 }, (_, n) => BigInt(n + 11)))
    })
  })

  describe('prune and reset', () => {
    test('prune removes what is behind the position and keeps the newest entry, so that ids go on', async () => {
      const log = await started()
      for (let n = 0; n < 25_000; n++) log.append(op(n))
      await log.sync()
      await log.prune(20_500n)
      expect(ids(await readAll(log, 20_500n))).toHaveLength(4_500)
      await expect(readAll(log, 20_499n)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
      expect(await sql('SELECT min(id)::int AS first FROM operation_log')).toEqual([{ first: 20_501 }])
      await log.prune(1_000_000n)
      await log.close()
      const again = open()
      expect(await again.start()).toEqual({ firstId: 25_000n, lastId: 25_000n })
      expect(again.append(op(1)).id).toBe(25_001n)
    })

    test('prune of an empty log does nothing', async () => {
      const log = await started()
      await log.prune(10n)
      expect(await readAll(log)).toEqual([])
    })

    test('reset forgets every entry and begins after the position, after a restart too', async () => {
      const log = await started()
      log.append(op(1))
      await log.reset(41n)
      expect([log.lastId, log.durableId]).toEqual([41n, 41n])
      await log.close()
      const again = open()
      expect(await again.start()).toEqual({ firstId: 0n, lastId: 0n })
      expect(again.lastId).toBe(41n)
      const { id, durable } = again.append(op(1))
      await durable
      expect([id, ids(await readAll(again, 41n))]).toEqual([42n, [42n]])
      await expect(readAll(again, 40n)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
      await again.reset()
      expect(again.append(op(1)).id).toBe(1n)
    })

    test('while a reset goes on nothing can be appended', async () => {
      const log = await started()
      const reset = log.reset()
      expect(codeOf(() => log.append(op(1)))).toBe('ERR_INVALID_STATE')
      await reset
      expect(log.append(op(1)).id).toBe(1n)
    })
  })

  describe('what is wrong in the table', () => {
    async function filled(): Promise<void> {
      const log = await started()
      for (let n = 0; n < 10; n++) log.append(op(n))
      await log.close()
    }

    test.each([
      ['one missing entry', 'id = 4', 'Entry 4 is missing'],
      ['several', 'id BETWEEN 3 AND 7', 'Entries 3 to 7 are missing'],
    ])('%s: start and read tell which', async (_, where, message) => {
      await filled()
      await sql(`DELETE FROM operation_log WHERE ${where}`)
      const expected = { code: 'ERR_LOG_GAP', message: expect.stringContaining(message) as string }
      await expect(open().start()).rejects.toMatchObject(expected)
      await expect(readAll(open())).rejects.toMatchObject(expected)
    })

    test('an id below 1 is none of ours', async () => {
      await filled()
      await sql('UPDATE operation_log SET id = 0 WHERE id = 1')
      await expect(open().start()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' })
    })

    test.each([
      ['params that are no JSON', `params = '{"secret":'`],
      ['an infinite time', `time = 'infinity'`],
      ['an empty method', `method = ''`],
    ])('%s: read stops there with the id', async (_, change) => {
      await filled()
      await sql(`UPDATE operation_log SET ${change} WHERE id = 5`)
      const error: unknown = await readAll(open()).catch((caught: unknown) => caught)
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
      await sql(`CREATE TABLE operation_log ${columns}`)
      await expect(open().start()).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(message) as string,
      })
    })

    test('an unlogged table, which a crash empties, and a view are refused', async () => {
      await sql('CREATE UNLOGGED TABLE operation_log (id bigint PRIMARY KEY, time timestamp, method text, params text)')
      await sql('CREATE VIEW seen AS SELECT * FROM operation_log')
      await expect(open().start()).rejects.toMatchObject({ message: expect.stringContaining('unlogged') as string })
      await expect(open({ table: 'seen' }).start()).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    })

    test('an existing table of the known form is used as it is', async () => {
      await sql('CREATE TABLE operation_log (id bigint PRIMARY KEY, time timestamp, method text, params text)')
      await sql(`INSERT INTO operation_log VALUES (7, '2021-02-03 04:05:06.789123', 'order_put', '{"a": 1}')`)
      const log = open()
      expect(await log.start()).toEqual({ firstId: 7n, lastId: 7n })
      await log.append(op(8)).durable
      expect(await readAll(log, 6n)).toEqual([
        { id: 7n, time: Date.UTC(2021, 1, 3, 4, 5, 6, 789), method: 'order_put', params: { a: 1 } },
        { id: 8n, ...op(8) },
      ])
    })

    test('entries that a trigger swallows stop the log', async () => {
      const log = await started()
      await sql('CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$')
      await sql('CREATE TRIGGER t BEFORE INSERT ON operation_log FOR EACH ROW EXECUTE FUNCTION drop_it()')
      await expect(log.append(op(1)).durable).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    })
  })

  describe('states', () => {
    test('append needs start(), and close() ends it', async () => {
      const log = open()
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
      const first = await started()
      const second = open()
      await expect(second.start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
      await first.close()
      expect(await second.start()).toEqual({ firstId: 0n, lastId: 0n })
      expect(await second.start()).toEqual({ firstId: 0n, lastId: 0n })
    })

    test('two tables are two logs', async () => {
      const [one, other] = [await started(), await started({ table: 'other_log' })]
      await Promise.all([one.append(op(1)).durable, other.append(op(2)).durable])
      expect([await readAll(one), await readAll(other)]).toEqual([[{ id: 1n, ...op(1) }], [{ id: 1n, ...op(2) }]])
    })

    test('sync refuses a position that was never given', async () => {
      const log = await started()
      await expect(log.sync(1n)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
      await log.sync(0n)
    })

    test('a log that is not started, and never was, reads as empty', async () => {
      expect(await readAll(open())).toEqual([])
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
      expect(codeOf(() => open(options as unknown as PostgresOperationLogOptions))).toBe('ERR_INVALID_ARGUMENT')
    })
  })
})

function codeOf(work: () => unknown): unknown {
  try {
    work()
    return 'nothing was thrown'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

/** Keeps everybody from writing into the log until it is released. */
async function blockTable(cluster: Cluster, database: string) {
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  let locked = (): void => undefined
  const isLocked = new Promise<void>((resolve) => (locked = resolve))
  const done = cluster.with(database, async (client) => {
    await client.query('BEGIN')
    await client.query('LOCK TABLE operation_log IN SHARE MODE')
    locked()
    await released
    await client.query('COMMIT')
  })
  await isLocked
  return {
    /** Resolves when somebody waits for the lock. */
    async waited(): Promise<void> {
      const text = `SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND relation = 'operation_log'::regclass`
      for (;;) {
        const [row] = await cluster.sql<{ n: number }>(database, text)
        if ((row?.n ?? 0) > 0) return
      }
    },
    async release(): Promise<void> {
      release()
      await done
    },
  }
}

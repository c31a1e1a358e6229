import { failpoints } from '../../src/failpoint'
import { Fixture } from '../helpers/fixture'
import { LogTests, op, readAll, span, until } from '../helpers/postgres-oplog'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { describeUnless } from '../helpers/store-fixture'

interface End {
  readonly acked: string
  readonly code: string | null
}

/** How often the server is restarted under the log alone; test/crash does it a hundred times under slices and log. */
const RESTARTS = 20

describeUnless(reasonAgainstPostgres, 'PostgresOperationLog: one owner', () => {
  const tests = new LogTests()

  /** A process that appends without rest. */
  function appender(options: object = {}, args: string[] = [], env: Record<string, string> = {}): Fixture {
    const connection = tests.cluster.config(tests.database)
    const all = {
      connection,
      retry: { initialMs: 1, maxMs: 50 },
      maxPendingEntries: 500,
      batchEntries: 100,
      ...options,
    }
    return new Fixture('postgres-oplog-appender', [JSON.stringify(all), ...args], { env })
  }

  function lastAcked(stdout: string): bigint {
    return BigInt(
      stdout
        .split('\n')
        .findLast((line) => line.startsWith('acked '))
        ?.slice(6) ?? 0,
    )
  }

  /** Every id once and with what belongs to it, up to the last one; returns that. */
  async function wholeUpTo(): Promise<bigint> {
    const table = await tests.table()
    const first = Number(table[0]?.id ?? 1n)
    expect(table).toEqual(span(first, first + table.length - 1).map((id) => ({ id, n: Number(id) })))
    return table.at(-1)?.id ?? 0n
  }

  test('a second process is refused, until the first one is killed', async () => {
    const owner = appender()
    await owner.line(/^acked/)
    await expect(tests.open().start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    owner.kill('SIGKILL')
    const { stdout } = await owner.closed
    const log = await tests.started()
    expect(log.lastId).toBeGreaterThanOrEqual(lastAcked(stdout))
    expect(await wholeUpTo()).toBe(log.lastId)
  })

  test('a stopped owner that is woken up after a takeover appends nothing more', async () => {
    const owner = appender()
    await owner.line(/^acked/)
    owner.kill('SIGSTOP')
    const log = await tests.started({ takeover: true })
    const taken = log.lastId
    for (let n = 0; n < 10; n++) log.append(op(Number(log.lastId) + 1))
    owner.kill('SIGCONT')
    const { stdout } = await owner.closed
    await log.sync()
    expect(JSON.parse(stdout.split('\n').at(-1) ?? '')).toMatchObject({ code: 'ERR_FENCED' } satisfies Partial<End>)
    expect(lastAcked(stdout)).toBeLessThanOrEqual(taken)
    expect(await wholeUpTo()).toBe(taken + 10n)
  })

  test('an owner that has nothing to write learns of the takeover too', async () => {
    const old = await tests.started()
    const log = await tests.started({ takeover: true })
    await until(() => old.failure !== undefined)
    expect(old.failure).toMatchObject({ code: 'ERR_FENCED' })
    await log.append(op(1)).durable
    await expect(old.sync(1n)).rejects.toMatchObject({ code: 'ERR_FENCED' })
    await expect(old.prune(1n)).rejects.toMatchObject({ code: 'ERR_FENCED' })
    await expect(old.reset()).rejects.toMatchObject({ code: 'ERR_FENCED' })
    expect(await readAll(log)).toHaveLength(1)
  })

  test('a takeover wins against owners that come back at once', async () => {
    const logs = [await tests.started({ retry: { initialMs: 1, maxMs: 1 } })]
    for (let n = 1; n <= 20; n++) {
      logs.push(await tests.started({ takeover: true, retry: { initialMs: 1, maxMs: 1 } }))
    }
    const newest = logs.pop()
    await until(() => logs.every((log) => log.failure !== undefined))
    for (const { failure } of logs) expect(failure).toMatchObject({ code: 'ERR_FENCED' })
    await newest?.append(op(1)).durable
    expect(await tests.table()).toEqual([{ id: 1n, n: 1 }])
  })

  test('the epoch alone fences: an owner whose connection still stands when it is raised', async () => {
    const log = await tests.started()
    await log.append(op(1)).durable
    await tests.sql('UPDATE forksnap_epoch SET epoch = epoch + 1')
    await expect(log.append(op(2)).durable).rejects.toMatchObject({ code: 'ERR_FENCED' })
    expect(await tests.table()).toEqual([{ id: 1n, n: 1 }])
  })

  test('the epoch cannot be raised while a batch is under way: what it commits is seen by whoever takes over', async () => {
    const log = await tests.started()
    await tests.sql(`CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$`)
    await tests.sql('CREATE TRIGGER t BEFORE INSERT ON operation_log FOR EACH ROW EXECUTE FUNCTION wait_here()')
    const waiting = async (query: string): Promise<boolean> => {
      const text = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE $1`
      return (await tests.sql(text, [`%${query}%`])).length > 0
    }
    let raised = false
    let raising: Promise<unknown> = Promise.resolve()
    const batch = await tests.cluster.with(tests.database, async (client) => {
      await client.query('SELECT pg_advisory_lock(1)')
      const { durable } = log.append(op(1))
      await until(() => waiting('INSERT INTO "public"."operation_log"'))
      raising = tests.sql('UPDATE forksnap_epoch SET epoch = epoch + 1').then(() => (raised = true))
      await until(async () => raised || (await waiting('UPDATE forksnap_epoch SET')))
      expect(raised).toBe(false)
      return { durable }
    })
    await Promise.all([batch.durable, raising])
    await expect(log.append(op(2)).durable).rejects.toMatchObject({ code: 'ERR_FENCED' })
    expect(await tests.table()).toEqual([{ id: 1n, n: 1 }])
  })

  const points = failpoints.filter((name) => name.startsWith('oplog.postgres.'))
  test.each(points)('killed at %s: what was acknowledged is there, once', async (point) => {
    const also = point.includes('prune') ? ['prune'] : point.includes('reset') ? ['reset'] : []
    const nth = point.includes('append') ? ':7' : ''
    const { signal, stdout } = await appender({}, also, { FORKSNAP_FAILPOINT: `${point}${nth}` }).closed
    expect(signal).toBe('SIGKILL')
    const log = await tests.started()
    expect(log.lastId).toBeGreaterThanOrEqual(lastAcked(stdout))
    expect(await wholeUpTo()).toBe(also[0] === 'reset' ? 0n : log.lastId)
    log.append(op(Number(log.lastId) + 1))
    await log.sync()
    expect(await wholeUpTo()).toBe(log.lastId)
  })

  test(
    `the server is crashed and restarted ${RESTARTS} times in the middle of batches: nothing is lost or doubled`,
    async () => {
      const owner = appender()
      await owner.line(/^acked/)
      for (let round = 0; round < RESTARTS; round++) {
        tests.cluster.restart('immediate')
        const before = await lastId()
        // Batches must be under way again, or the next restart would hit nothing.
        await until(async () => (await lastId()) > before || owner.over)
      }
      owner.say('stop')
      const { stdout } = await owner.closed
      const end = JSON.parse(stdout.split('\n').at(-1) ?? '') as End
      expect(end.code).toBeNull()
      expect(await wholeUpTo()).toBe(BigInt(end.acked))
    },
    60_000 + RESTARTS * 5_000,
  )

  async function lastId(): Promise<bigint> {
    const [row] = await tests.sql<{ last: string | null }>('SELECT max(id) AS last FROM operation_log')
    return BigInt(row?.last ?? 0)
  }
})

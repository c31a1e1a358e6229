import { existsSync } from 'node:fs'
import { plainConnection } from '../../src/postgres/connection'
import { joinOwner, Owner } from '../../src/postgres/epoch'
import { endBackend, Session } from '../../src/postgres/session'
import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { CuttingProxy } from '../helpers/postgres-proxy'
import { describeUnless } from '../helpers/store-fixture'
import { rejection } from '../helpers/store-slices'

describeUnless(reasonAgainstPostgres, 'a private cluster', () => {
  let cluster: Cluster
  const sessions: Session[] = []
  beforeAll(async () => (cluster = await Cluster.start()))
  afterAll(async () => {
    for (const session of sessions) await session.close()
    await cluster.dispose()
    expect(existsSync(cluster.folder)).toBe(false)
  })

  async function open(database: string): Promise<Session> {
    const session = await Session.open(await plainConnection(cluster.config(database)))
    sessions.push(session)
    return session
  }

  const owner = { schema: 'public', name: 'slices:x', takeover: false, lockWaitMs: 50 }

  it('pins a session whatever the database says', async () => {
    const database = await cluster.createDatabase()
    await cluster.sql(database, `ALTER DATABASE ${database} SET datestyle = 'SQL, DMY'`)
    await cluster.sql(database, `ALTER DATABASE ${database} SET synchronous_commit = off`)
    await cluster.sql(database, `ALTER DATABASE ${database} SET statement_timeout = '2s'`)
    const session = await open(database)
    const settings = ['DateStyle', 'TimeZone', 'synchronous_commit', 'statement_timeout', 'client_encoding']
    const found = []
    for (const name of settings) found.push(...(await session.query('look', `SHOW ${name}`)).rows)
    expect(found.map((row) => Object.values(row)[0] as string)).toEqual(['ISO, MDY', 'UTC', 'on', '0', 'UTF8'])
  })

  it('lets one owner in, and the next one with a higher epoch', async () => {
    const database = await cluster.createDatabase()
    const [one, two] = [await open(database), await open(database)]
    const first = await Owner.acquire(one, owner)
    expect(first.epoch).toBe(1n)
    await expect(Owner.acquire(two, owner)).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    const other = await Owner.acquire(two, { ...owner, name: 'log:x' })
    expect(other.epoch).toBe(1n)
    await one.close()
    const second = await Owner.acquire(two, owner)
    expect([second.epoch, second.resetEpoch]).toEqual([2n, 1n])
    expect(await second.reset(two)).toBe(3n)
    expect(second.resetEpoch).toBe(3n)
  })

  it('fences an owner that was taken over, at its next transaction', async () => {
    const database = await cluster.createDatabase()
    const [one, two] = [await open(database), await open(database)]
    const first = await Owner.acquire(one, owner)
    const second = await Owner.acquire(two, { ...owner, takeover: true })
    expect(second.epoch).toBe(2n)
    expect(one.lost?.code).toBe('ERR_STORE_FAILED')
    const again = await open(database)
    await expect(first.reacquire(again)).rejects.toMatchObject({ code: 'ERR_FENCED' })
    await expect(again.transaction('t', () => first.check(again))).rejects.toMatchObject({ code: 'ERR_FENCED' })
    await two.transaction('t', () => second.check(two))
  })

  it('takes over although the owner stands between its check and its COMMIT in another session', async () => {
    const database = await cluster.createDatabase()
    const [one, other, two] = [await open(database), await open(database), await open(database)]
    const first = await Owner.acquire(one, owner)
    await joinOwner(other, owner)
    await other.query('t', 'BEGIN')
    await first.check(other)
    await Owner.acquire(two, { ...owner, takeover: true })
    await expect(other.query('t', 'COMMIT')).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: '57P01' })
  })

  it('takes the lock again after a restart of the server', async () => {
    const database = await cluster.createDatabase()
    const one = await open(database)
    const first = await Owner.acquire(one, owner)
    cluster.restart('immediate')
    expect((await rejection(one.query('look', 'SELECT 1'))).message).toContain('Could not look')
    const again = await open(database)
    await first.reacquire(again)
    await expect(Owner.acquire(await open(database), owner)).rejects.toMatchObject({ code: 'ERR_LOCKED' })
  })

  it('ends another connection and knows when it is gone', async () => {
    const database = await cluster.createDatabase()
    const [one, two] = [await open(database), await open(database)]
    await one.query('t', 'CREATE TABLE t (a int)')
    await one.query('t', 'BEGIN')
    await one.query('t', 'LOCK TABLE t')
    await endBackend(two, one.backend)
    await two.query('t', 'SELECT * FROM t')
    await endBackend(two, one.backend)
  })

  it.each(['set_config', 'pg_stat_activity'])(
    'does not wait for ever to be connected (no answer to %s)',
    async (text) => {
      const database = await cluster.createDatabase()
      const proxy = await CuttingProxy.start(cluster)
      try {
        proxy.muteAt(text)
        const connection = await plainConnection({ ...proxy.config(database), connectionTimeoutMillis: 300 })
        const error = await rejection(Session.open(connection))
        expect(error).toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'ETIMEDOUT' })
        expect(error.message).toContain('no answer within 300 ms')
      } finally {
        await proxy.close()
      }
    },
  )
})

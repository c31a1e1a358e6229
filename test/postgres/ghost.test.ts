import type { ClientConfig } from 'pg'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlive } from '../helpers/fixture'
import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { StoreServer } from '../helpers/postgres-server'
import { PostgresStores, until } from '../helpers/postgres-store'
import { describeUnless } from '../helpers/store-fixture'

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

/** Resolves when a process has ended. */
async function ended(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve))
}

describeUnless(reasonAgainstPostgres, 'A server that saves into PostgreSQL', () => {
  let cluster: Cluster
  let connection: ClientConfig
  const stores = new PostgresStores()
  beforeAll(async () => (cluster = await Cluster.start()))
  beforeEach(async () => (connection = cluster.config(await cluster.createDatabase())))
  afterEach(() => stores.closeAll())
  afterAll(() => cluster.dispose())

  const sql = (text: string) => cluster.sql(connection.database as string, text)
  const sessions = () => sql(`SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'forksnap%'`)
  const copying = () => until(() => sql(`SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'`))
  const rows = () => sql(`SELECT slice_id, count(*)::int AS count FROM numbers GROUP BY 1`)

  it('publishes what its child writes, and leaves no process', async () => {
    const server = new StoreServer({ connection })
    expect(await server.do('start')).toEqual({ epoch: '1n' })
    const { writer } = (await server.do('pids')) as { writer: number }
    expect(parentOf(writer)).toBe(server.fixture.pid)
    // A signal that a terminal or a service manager sends to everybody does not end it before the last snapshot.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(writer, signal)
    expect(await server.do('save')).toEqual({ sliceId: '1n' })
    expect(await server.do('pids')).toMatchObject({ writer })
    expect(await rows()).toEqual([{ slice_id: '1', count: 20_000 }])
    expect(await server.do('close')).toEqual({ closed: false })
    expect(isAlive(writer)).toBe(false)
    server.fixture.kill('SIGTERM')
    await server.fixture.closed
    expect(await sessions()).toEqual([])
  })

  it('may not go back behind the newest slice after a restart, though its epoch is another; after reset() it may', async () => {
    const before = new StoreServer({ connection })
    await before.do('start')
    expect(await before.do('save at 3')).toEqual({ sliceId: '1n' })
    before.fixture.kill('SIGKILL')
    await before.fixture.closed
    const server = new StoreServer({ connection })
    expect(await server.do('start')).toEqual({ epoch: '2n' })
    expect(await server.do('save at 2')).toMatchObject({ code: 'ERR_INVALID_VALUE' })
    expect(await server.do('save at 3')).toEqual({ sliceId: '3n' })
    expect(await server.do('reset')).toBe('3n')
    expect(await server.do('save at 1')).toEqual({ sliceId: '4n' })
    server.fixture.kill('SIGKILL')
    await server.fixture.closed
  })

  it('takes its writer along when it is killed in the middle of a slice, and nothing is published', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'forksnap-ghost-'))
    const server = new StoreServer({ connection }, { env: { TMPDIR: folder } })
    await server.do('start')
    const { writer } = (await server.do('pids')) as { writer: number }
    await server.do('hold')
    server.fixture.say('save')
    const child = await server.forked()
    await copying()
    server.fixture.kill('SIGKILL')
    await server.fixture.closed
    await ended(child)
    await ended(writer)
    // The server notices in its own time that nobody is there any more.
    await until(async () => ((await sessions()).length === 0 ? [1] : []))
    const next = await stores.started(connection)
    expect([next.epoch, await next.list(), await rows()]).toEqual([2n, [], []])
    expect(readdirSync(folder)).toEqual([])
    rmSync(folder, { recursive: true })
  })

  it('completes the last snapshot when Ctrl-C goes to the whole process group', async () => {
    const server = new StoreServer({ connection }, { detached: true })
    await server.do('start')
    server.fixture.say('save')
    await server.forked()
    server.fixture.killGroup('SIGINT')
    expect(await server.answer('sigint')).toEqual({ closed: true })
    expect(await server.answer('save')).toEqual({ sliceId: '1n' })
    const counts = (await rows()).map((row) => row.count as number)
    expect(counts).toEqual([20_000, 20_000])
    server.fixture.kill('SIGKILL')
    await server.fixture.closed
  })

  it('is fenced when it wakes up after somebody has taken over: before a save, and within one', async () => {
    const sleeping = new StoreServer({ connection, name: 'a' })
    const busy = new StoreServer({ connection, name: 'b' })
    for (const server of [sleeping, busy]) await server.do('start')
    await sleeping.do('save')
    await busy.do('hold')
    busy.fixture.say('save')
    const child = await busy.forked()
    await copying()
    for (const server of [sleeping, busy]) server.fixture.kill('SIGSTOP')
    await expect(stores.make(connection, { name: 'a' }).start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    const takers = []
    for (const name of ['a', 'b']) takers.push(await stores.started(connection, { name, takeover: true }))
    expect(takers.map((store) => store.epoch)).toEqual([2n, 2n])
    for (const server of [sleeping, busy]) server.fixture.kill('SIGCONT')
    process.kill(child, 'SIGKILL')
    expect(await busy.answer('save')).toMatchObject({ code: 'ERR_CHILD_KILLED' })
    await busy.do('release')
    sleeping.fixture.say('close save')
    expect(await sleeping.answer('close save')).toMatchObject({ code: 'ERR_FENCED' })
    expect(await busy.do('close save')).toMatchObject({ code: 'ERR_FENCED' })
    expect((await rows()).map((row) => row.slice_id as string)).toEqual(['1'])
    for (const server of [sleeping, busy]) server.fixture.kill('SIGKILL')
  })
})

import { chmodSync, mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isForksnapError } from '../../src/errors'
import { recover } from '../../src/recover'
import { openNewest } from '../../src/store/newest'
import type { PostgresStore } from '../../src/store/postgres'
import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { CuttingProxy } from '../helpers/postgres-proxy'
import { StoreServer } from '../helpers/postgres-server'
import { numbers, PostgresStores, publishInto, readAll, until } from '../helpers/postgres-store'
import { describeUnless } from '../helpers/store-fixture'

describeUnless(reasonAgainstPostgres, 'PostgresStore with a spool', () => {
  let cluster: Cluster
  let database: string
  let spoolDirectory: string
  const stores = new PostgresStores()
  const errors: unknown[] = []
  beforeAll(async () => (cluster = await Cluster.start()))
  beforeEach(async () => {
    database = await cluster.createDatabase()
    spoolDirectory = mkdtempSync(join(tmpdir(), 'forksnap-spool-'))
    errors.length = 0
  })
  afterEach(async () => {
    await stores.closeAll()
    rmSync(spoolDirectory, { recursive: true })
  })
  afterAll(() => cluster.dispose())

  const spool = () => ({ spool: true, spoolDirectory, onSpoolError: (error: unknown) => void errors.push(error) })
  const started = (options = {}): Promise<PostgresStore> =>
    stores.started(cluster.config(database), { ...spool(), ...options })
  const sql = (text: string) => cluster.sql<Record<string, string>>(database, text)
  const waiting = (): string[] => readdirSync(spoolDirectory).filter((name) => name.endsWith('.slice'))
  const loaded = (count: number) => until(() => sql(`SELECT 1 FROM forksnap_slice HAVING count(*) >= ${count}`))
  const emptied = () => until(() => Promise.resolve(waiting().length === 0 ? [1] : []))

  it('saves to a file and loads it into the database', async () => {
    const store = await started()
    const info = await publishInto(store, numbers(1000), { position: 5n })
    await loaded(1)
    const [listed] = await store.list()
    expect(listed).toMatchObject({ sliceId: info.sliceId, position: 5n, rows: 1000, epoch: 1n, meta: { position: 5n } })
    const source = await store.open(info.sliceId)
    expect((await readAll(source)).rows[999]).toEqual(['numbers', [999n, 'row 999']])
    await source.close()
    expect(await sql('SELECT count(*) FROM numbers')).toEqual([{ count: '1000' }])
    expect(errors).toEqual([])
  })

  it('goes on while the database is away, and brings everything there afterwards', async () => {
    const store = await started({ keep: {} })
    await publishInto(store, numbers(10), { position: 1n })
    await loaded(1)
    cluster.stop('immediate')
    const away = []
    for (let i = 2n; i < 5n; i++) away.push((await publishInto(store, numbers(10), { position: i })).sliceId)
    await expect(store.list()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    const source = await store.open(away[0])
    // The rows are the writer's own, without the column that the database needs.
    const { rows } = await readAll(source)
    expect([rows.length, rows[9]]).toEqual([10, ['numbers', [9n, 'row 9']]])
    await source.close()
    cluster.start()
    await loaded(4)
    await emptied()
    expect((await store.list()).map((info) => info.position)).toEqual([4n, 3n, 2n, 1n])
    expect(errors.length).toBeGreaterThan(0)
    expect(errors[0]).toMatchObject({ code: 'ERR_STORE_FAILED' })
  })

  it('loads after a restart what was left, in the epoch in which it was written, and doubles nothing', async () => {
    await sql('CREATE TABLE numbers (wrong int)')
    const first = await started()
    const ids = []
    for (const position of [1n, 2n]) ids.push((await publishInto(first, numbers(3), { position })).sliceId)
    expect((await first.list()).map((info) => info.sliceId)).toEqual([...ids].reverse())
    await first.close()
    expect(waiting()).toHaveLength(2)
    expect(errors[0]).toMatchObject({ code: 'ERR_INVALID_VALUE', table: 'numbers' })
    await sql('DROP TABLE numbers')
    const second = await started()
    await loaded(2)
    await emptied()
    const slices = await second.list()
    expect(slices.map(({ sliceId, epoch }) => [sliceId, epoch])).toEqual([...ids].reverse().map((id) => [id, 1n]))
    expect(second.epoch).toBe(2n)
    const newest = await openNewest(second)
    expect(newest?.info.position).toBe(2n)
    await newest?.close()
    const next = await publishInto(second, numbers(3), { position: 3n })
    expect(next.sliceId).toBeGreaterThan(ids[1])
  })

  it('begins an epoch above those of what waits, whatever the database says: what comes is newer', async () => {
    for (let epoch = 1; epoch < 3; epoch++) await (await started()).close()
    await sql('CREATE TABLE numbers (wrong int)')
    const lost = await started()
    expect(lost.epoch).toBe(3n)
    await publishInto(lost, numbers(1), { position: 7n })
    await lost.close()
    expect(waiting()).toHaveLength(1)
    database = await cluster.createDatabase()
    const store = await started({ keep: { count: 1 } })
    expect(store.epoch).toBe(4n)
    await loaded(1)
    const next = await publishInto(store, numbers(1), { position: 1n })
    await until(() => sql(`SELECT 1 FROM forksnap_slice WHERE slice_id = ${next.sliceId}`))
    await emptied()
    expect((await store.list())[0].sliceId).toBe(next.sliceId)
  })

  it('keeps only as many files as the policy allows, and drops what a reset made void', async () => {
    const store = await started({ keep: { count: 2 } })
    cluster.stop('immediate')
    for (let i = 1n; i < 5n; i++) await publishInto(store, numbers(1), { position: i })
    expect(await store.prune()).toHaveLength(2)
    expect(waiting()).toHaveLength(2)
    cluster.start()
    await emptied()
    await store.beginEpoch()
    expect(await openNewest(store)).toBeNull()
  })

  it.each([
    'store.postgres.spool.load.after',
    'store.postgres.spool.unlink.before',
    'store.postgres.spool.unlink.after',
  ])('doubles nothing if it is killed at %s', async (failpoint) => {
    const options = { connection: cluster.config(database), spool: true, spoolDirectory }
    const server = new StoreServer(options, { env: { FORKSNAP_FAILPOINT: failpoint } })
    await server.do('start')
    server.fixture.say('save')
    expect((await server.fixture.closed).signal).toBe('SIGKILL')
    const store = await started()
    await emptied()
    expect(await store.list()).toHaveLength(1)
    expect(await sql('SELECT count(*) FROM numbers')).toEqual([{ count: '20000' }])
  })

  it('stops when somebody else has taken over, and says so', async () => {
    const first = await started()
    const taker = await stores.started(cluster.config(database), { takeover: true })
    await expect(publishInto(first, numbers(1))).rejects.toMatchObject({ code: 'ERR_FENCED' })
    expect(waiting()).toEqual([])
    await expect(first.create()).rejects.toMatchObject({ code: 'ERR_FENCED' })
    expect(await taker.list()).toEqual([])
  })

  it('finds a takeover out when it loads, if the database could not be asked before', async () => {
    const proxy = await CuttingProxy.start(cluster)
    try {
      const first = await stores.started(proxy.config(database), { ...spool(), answerMs: 1_000 })
      proxy.muteAt('')
      await stores.started(cluster.config(database), { takeover: true })
      await publishInto(first, numbers(1))
      expect(waiting()).toHaveLength(1)
      proxy.muteAt(undefined)
      await until(() => Promise.resolve(errors.filter((error) => isForksnapError(error, 'ERR_FENCED'))))
      await expect(first.create()).rejects.toMatchObject({ code: 'ERR_FENCED' })
      await first.close()
    } finally {
      await proxy.close()
    }
  })

  it('shows what waits to a store that only reads', async () => {
    await sql('CREATE TABLE numbers (wrong int)')
    const owner = await started()
    const { sliceId } = await publishInto(owner, numbers(5), { position: 9n })
    const reader = stores.make(cluster.config(database), spool())
    expect((await reader.list()).map((info) => [info.sliceId, info.position])).toEqual([[sliceId, 9n]])
    const restored: bigint[] = []
    const report = await recover({ store: reader, readOnly: true, restore: { numbers: ([n]) => restored.push(n as bigint) } }) // prettier-ignore
    expect([report.position, restored]).toEqual([9n, [0n, 1n, 2n, 3n, 4n]])
    await sql('DROP TABLE numbers')
    await emptied()
    expect((await reader.list()).map((info) => info.sliceId)).toEqual([sliceId])
    const nowhere = stores.make(cluster.config(database), { ...spool(), spoolDirectory: join(spoolDirectory, 'no') })
    expect(await nowhere.list()).toHaveLength(1)
  })

  it('does not pass over a slice that cannot be read, as if it were not there', async () => {
    await sql('CREATE TABLE numbers (wrong int)')
    const owner = await started()
    const { sliceId } = await publishInto(owner, numbers(5), { position: 9n })
    await owner.close()
    const path = join(spoolDirectory, waiting()[0])
    const reader = stores.make(cluster.config(database), spool())
    chmodSync(path, 0o666)
    expect((await reader.list()).map((info) => info.sliceId)).toEqual([sliceId])
    await expect(openNewest(reader)).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' })
    chmodSync(path, 0o600)
    truncateSync(path, 20)
    expect((await reader.list()).map((info) => [info.sliceId, info.position])).toEqual([[sliceId, 9n]])
    expect(await openNewest(reader)).toBeNull()
  })

  it('needs the database to start', async () => {
    cluster.stop('immediate')
    const refused = stores.make(cluster.config(database), spool()).start()
    await expect(refused)
      .rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
      .finally(() => cluster.start())
  })
})

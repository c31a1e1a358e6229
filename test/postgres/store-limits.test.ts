import type { PostgresStore } from '../../src/store/postgres'
import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { CuttingProxy } from '../helpers/postgres-proxy'
import { numbers, PostgresStores, publishInto, readAll, render, until, writeBytes, writeInto } from '../helpers/postgres-store' // prettier-ignore
import { describeUnless } from '../helpers/store-fixture'

const ANSWER_MS = 1_000

describeUnless(reasonAgainstPostgres, 'PostgresStore with a database or a writer that gives no answer', () => {
  let cluster: Cluster
  let database: string
  let proxy: CuttingProxy
  const stores = new PostgresStores()
  beforeAll(
    async () => (cluster = await Cluster.start({ settings: { log_statement: 'all', log_min_messages: 'log' } })),
  )
  beforeEach(async () => {
    database = await cluster.createDatabase()
    proxy = await CuttingProxy.start(cluster)
  })
  afterEach(async () => {
    await stores.closeAll()
    await proxy.close()
  })
  afterAll(() => cluster.dispose())

  const started = (options = {}): Promise<PostgresStore> =>
    stores.started(proxy.config(database), { answerMs: ANSWER_MS, ...options })
  const sql = (text: string) => cluster.sql<Record<string, string>>(database, text)
  const copied = () =>
    until(() => sql(`SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE 'COPY%'`))

  async function checkWorks(store: PostgresStore, expected: readonly bigint[]): Promise<void> {
    const { sliceId } = await publishInto(store, numbers(7), { position: 99n })
    expect((await store.list()).map((info) => info.sliceId)).toEqual([sliceId, ...expected])
    const source = await store.open(sliceId)
    expect((await readAll(source)).rows).toHaveLength(7)
    await source.close()
  }

  function alive(pid: number | undefined): boolean {
    try {
      return process.kill(pid as number, 0)
    } catch {
      return false
    }
  }

  it('looks a COMMIT up of which no answer comes, and closes', async () => {
    const store = await started()
    const sink = await store.create()
    const trailer = writeInto(sink, numbers(10))
    sink.forked?.()
    await copied()
    proxy.muteAt('COMMIT\0')
    expect((await sink.commit({ meta: {}, trailer })).sliceId).toBe(1n)
    proxy.muteAt(undefined)
    await checkWorks(store, [1n])
    proxy.muteAt('')
    await store.close()
  })

  it.each(['BEGIN', 'INSERT INTO "public"."forksnap_slice"'])(
    'gives up a slice if there is no answer to %s',
    async (text) => {
      const store = await started()
      const sink = await store.create()
      proxy.muteAt(text)
      const { bytes, trailer } = render(sink, numbers(10))
      await writeBytes(sink.fd, bytes).catch(() => undefined)
      const commit = sink.commit({ meta: {}, trailer })
      await expect(commit).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'ETIMEDOUT' })
      proxy.muteAt(undefined)
      await checkWorks(store, [])
    },
  )

  it('gives up reading if no more rows come', async () => {
    const store = await started()
    const { sliceId } = await publishInto(store, numbers(10))
    const source = await store.open(sliceId)
    proxy.muteAt('TO STDOUT')
    await expect(source.verify()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'ETIMEDOUT' })
    proxy.muteAt(undefined)
    expect((await source.verify()).rows).toBe(10)
    await source.close()
  })

  it('replaces the connection that holds the lock if it gives no answer', async () => {
    const store = await started()
    proxy.muteAt('SELECT 1')
    expect(await store.list()).toEqual([])
    proxy.muteAt(undefined)
    await checkWorks(store, [])
  })

  it('waits for what the server is working on, however long that takes', async () => {
    const store = await started({ answerMs: 200 })
    await publishInto(store, numbers(1))
    await cluster.with(database, async (other) => {
      await other.query('BEGIN; LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE')
      const sink = await store.create()
      const { bytes, trailer } = render(sink, numbers(300_000))
      const writing = writeBytes(sink.fd, bytes)
      const looks = () => cluster.log().split('wait_event_type IS DISTINCT FROM').length - 1
      await until(() => Promise.resolve(looks() >= 4 ? [1] : []))
      await other.query('COMMIT')
      await writing
      expect((await sink.commit({ meta: {}, trailer })).rows).toBe(300_000)
    })
  })

  it('kills a writer that has stopped, and takes another one', async () => {
    const store = await started()
    const pid = store.writerPid as number
    process.kill(pid, 'SIGSTOP')
    await expect(store.create()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'EWRITERGONE' })
    expect(alive(pid)).toBe(false)
    await checkWorks(store, [])
  })

  it('says what became of a slice whose writer has stopped', async () => {
    const store = await started()
    const sink = await store.create()
    const trailer = writeInto(sink, numbers(10))
    sink.forked?.()
    await copied()
    process.kill(store.writerPid as number, 'SIGSTOP')
    await expect(sink.commit({ meta: {}, trailer })).rejects.toMatchObject({ errno: 'EWRITERGONE' })
    await checkWorks(store, [])
  })

  it('closes although the writer has stopped', async () => {
    const store = await started()
    const pid = store.writerPid as number
    process.kill(pid, 'SIGSTOP')
    await store.close()
    expect(alive(pid)).toBe(false)
  })

  it('does not take others for late when it was busy itself', async () => {
    const store = await started()
    const pid = store.writerPid
    const creating = store.create()
    await new Promise(setImmediate)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * ANSWER_MS)
    await (await creating).cancel()
    expect(store.writerPid).toBe(pid)
  })
})

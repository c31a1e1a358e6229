import type { PostgresStore } from '../../src/store/postgres'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { numbers, publishInto, render, until, writeBytes, writeInto } from '../helpers/postgres-store'
import { StoreTests } from '../helpers/postgres-store-tests'
import { describeUnless } from '../helpers/store-fixture'

const ANSWER_MS = 1_000

describeUnless(reasonAgainstPostgres, 'PostgresStore with a database or a writer that gives no answer', () => {
  const tests = new StoreTests({ settings: { log_statement: 'all', log_min_messages: 'log' } })
  const { sql } = tests
  const started = (): Promise<PostgresStore> => tests.startedThroughProxy({ answerMs: ANSWER_MS })

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
    await tests.copied()
    tests.proxy.muteAt('COMMIT\0')
    expect((await sink.commit({ meta: {}, trailer })).sliceId).toBe(1n)
    tests.proxy.muteAt(undefined)
    await tests.checkWorks(store, [1n])
    tests.proxy.muteAt('')
    await store.close()
  })

  it.each(['BEGIN', 'INSERT INTO "public"."forksnap_slice"'])(
    'gives up a slice if there is no answer to %s',
    async (text) => {
      const store = await started()
      const sink = await store.create()
      tests.proxy.muteAt(text)
      const { bytes, trailer } = render(sink, numbers(10))
      await writeBytes(sink.fd, bytes).catch(() => undefined)
      const commit = sink.commit({ meta: {}, trailer })
      await expect(commit).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'ETIMEDOUT' })
      tests.proxy.muteAt(undefined)
      await tests.checkWorks(store, [])
    },
  )

  it('gives up reading if no more rows come', async () => {
    const store = await started()
    const { sliceId } = await publishInto(store, numbers(10))
    const source = await store.open(sliceId)
    tests.proxy.muteAt('TO STDOUT')
    await expect(source.verify()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'ETIMEDOUT' })
    tests.proxy.muteAt(undefined)
    expect((await source.verify()).rows).toBe(10)
    await source.close()
  })

  it('replaces the connection that holds the lock if it gives no answer', async () => {
    const store = await started()
    tests.proxy.muteAt('SELECT 1')
    expect(await store.list()).toEqual([])
    tests.proxy.muteAt(undefined)
    await tests.checkWorks(store, [])
  })

  it('waits for what the server is working on, however long that takes', async () => {
    const store = await started()
    await publishInto(store, numbers(1))
    await tests.cluster.with(tests.database, async (other) => {
      await other.query('BEGIN; LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE')
      const looks = (): number => tests.cluster.log().split('wait_event_type IS DISTINCT FROM').length
      const before = looks()
      const sink = await store.create()
      const { bytes, trailer } = render(sink, numbers(300_000))
      const writing = writeBytes(sink.fd, bytes)
      await until(() => Promise.resolve(looks() >= before + 2 ? [1] : []))
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
    await tests.checkWorks(store, [])
  })

  it('says what became of a slice whose writer has stopped', async () => {
    const store = await started()
    const sink = await store.create()
    const trailer = writeInto(sink, numbers(10))
    sink.forked?.()
    await tests.copied()
    process.kill(store.writerPid as number, 'SIGSTOP')
    await expect(sink.commit({ meta: {}, trailer })).rejects.toMatchObject({ errno: 'EWRITERGONE' })
    await tests.checkWorks(store, [])
  })

  it('closes although the writer has stopped', async () => {
    const store = await started()
    const pid = store.writerPid as number
    process.kill(pid, 'SIGSTOP')
    await store.close()
    expect(alive(pid)).toBe(false)
  })

  it('does not take others for late when it was busy itself', async () => {
    // Without the proxy, which is as busy, since it is in this process.
    const store = await tests.started({ answerMs: ANSWER_MS })
    const pid = store.writerPid
    const backends = () =>
      sql(`SELECT pid FROM pg_stat_activity WHERE application_name = 'forksnap store' AND datname = current_database()`)
    const before = await backends()
    const asking = [store.list(), store.create()] as const
    await new Promise(setImmediate)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * ANSWER_MS)
    await asking[0]
    await (await asking[1]).cancel()
    expect(store.writerPid).toBe(pid)
    expect(await backends()).toEqual(before)
  })
})

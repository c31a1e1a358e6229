import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { plainConnection } from '../../src/postgres/connection'
import type { PostgresStore } from '../../src/store/postgres'
import { resolvePostgresOptions } from '../../src/store/postgres-options'
import { WriterProcess } from '../../src/store/writer-process-client'
import { reasonAgainstPostgres } from '../helpers/postgres'
import type { Cut } from '../helpers/postgres-proxy'
import { StoreServer } from '../helpers/postgres-server'
import { numbers, publishInto, render, until, writeBytes, writeInto } from '../helpers/postgres-store'
import { type StoreOptions, StoreTests } from '../helpers/postgres-store-tests'
import { describeUnless } from '../helpers/store-fixture'
import { rejection } from '../helpers/store-slices'

describeUnless(reasonAgainstPostgres, 'PostgresStore under faults', () => {
  const tests = new StoreTests()
  const { sql } = tests
  const started = (options: StoreOptions = {}): Promise<PostgresStore> => tests.started(options)
  const copying = () => until(() => sql('SELECT 1 FROM pg_stat_progress_copy WHERE tuples_processed > 0'))

  it('rolls back when the server dies before the COPY', async () => {
    const store = await started()
    await publishInto(store, numbers(1))
    const sink = await store.create()
    tests.cluster.stop('immediate')
    await expect(store.create()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    await expect(store.list()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    const { bytes, trailer } = render(sink, numbers(10))
    await writeBytes(sink.fd, bytes).catch(() => undefined)
    await expect(sink.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    await sink.cancel()
    tests.cluster.start()
    await tests.checkWorks(store, [1n])
  })

  it('rolls back when the server dies during the COPY, and knows why the child could not write', async () => {
    const store = await started()
    await publishInto(store, numbers(1))
    const sink = await store.create()
    const { bytes } = render(sink, numbers(300_000))
    await writeBytes(sink.fd, bytes.subarray(0, 2_000_000))
    await copying()
    tests.cluster.stop('immediate')
    await expect(writeBytes(sink.fd, bytes.subarray(2_000_000))).rejects.toMatchObject({ code: 'EPIPE' })
    expect(await sink.explain?.(new Error())).toMatchObject({ code: 'ERR_STORE_FAILED' })
    tests.cluster.start()
    await sink.cancel()
    await tests.checkWorks(store, [1n])
  })

  it('rolls back when the server dies after the COPY', async () => {
    const store = await started()
    await publishInto(store, numbers(1))
    const sink = await store.create()
    const trailer = writeInto(sink, numbers(1000))
    sink.forked?.()
    await tests.copied()
    tests.cluster.restart('immediate')
    const error = await rejection(sink.commit({ meta: {}, trailer }))
    expect(error).toMatchObject({ code: 'ERR_STORE_FAILED' })
    expect(error.message).toContain('PostgreSQL')
    await tests.checkWorks(store, [1n])
  })

  it.each<[Cut, boolean]>([
    ['answer', true],
    ['question', false],
    ['silent', false],
  ])('neither loses nor doubles a COMMIT that was cut off (%s)', async (cut, published) => {
    const store = await tests.startedThroughProxy()
    const before = tests.proxy.cuts
    const sink = await store.create()
    const trailer = writeInto(sink, numbers(10))
    sink.forked?.()
    await tests.copied()
    tests.proxy.cutNextCommit(cut)
    const outcome = await sink.commit({ meta: {}, trailer }).then(
      (info) => info.sliceId,
      (error: { code: string }) => error.code,
    )
    expect([tests.proxy.cuts - before, outcome]).toEqual([1, published ? 1n : 'ERR_STORE_FAILED'])
    await sink.cancel()
    await tests.checkWorks(store, published ? [1n] : [])
  })

  it('does not say that a COMMIT failed which the server is still about', async () => {
    const store = await tests.startedThroughProxy()
    const sink = await store.create()
    const trailer = writeInto(sink, numbers(10))
    sink.forked?.()
    await tests.copied()
    tests.proxy.cutNextCommit('early')
    const result = await withStuckCommits(() => sink.commit({ meta: {}, trailer }))
    expect(result.sliceId).toBe(1n)
    await tests.checkWorks(store, [1n])
  })

  /** Every COMMIT waits for a replica that there is not, until its connection is ended. */
  async function withStuckCommits<T>(work: () => Promise<T>): Promise<T> {
    const stuck = () => sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
    await sql(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
    await sql('SELECT pg_reload_conf()')
    let found = false
    const probing = tests.cluster.with(tests.database, async (client) => {
      while (!found) await client.query(`SELECT pg_logical_emit_message(true, 'test', '')`).catch(() => undefined)
    })
    probing.catch(() => undefined)
    await until(stuck)
    found = true
    try {
      return await work()
    } finally {
      await sql('ALTER SYSTEM RESET synchronous_standby_names')
      await sql('SELECT pg_reload_conf()')
      await probing
    }
  }

  it.each([
    ['store.postgres.copy.before', false],
    ['store.postgres.copy.after', false],
    ['store.postgres.insert.before', false],
    ['store.postgres.insert.after', false],
    ['store.postgres.commit.before', false],
    ['store.postgres.commit.after', true],
  ])('survives the death of the writer process at %s', async (failpoint, published) => {
    process.env.FORKSNAP_FAILPOINT = failpoint
    const store = await started().finally(() => delete process.env.FORKSNAP_FAILPOINT)
    const sink = await store.create()
    const { bytes, trailer } = render(sink, numbers(1000))
    await writeBytes(sink.fd, bytes).catch(() => undefined)
    const outcome = await sink.commit({ meta: {}, trailer }).then(
      (info) => info.sliceId,
      (error: { code: string }) => error.code,
    )
    expect(outcome).toEqual(published ? 1n : 'ERR_STORE_FAILED')
    await sink.cancel()
    await tests.checkWorks(store, published ? [1n] : [])
  })

  describe('the folder of a FIFO', () => {
    let folder: string
    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'forksnap-temp-'))))
    afterEach(() => rmSync(folder, { recursive: true }))

    it.each(['store.postgres.fifo.before', 'store.postgres.fifo.after'])(
      'is removed if the writer process dies at %s',
      async (failpoint) => {
        // In a process of its own: what Jest shows of the environment is a copy, which os.tmpdir() does not read.
        const env = { FORKSNAP_FAILPOINT: failpoint, TMPDIR: folder }
        const server = new StoreServer({ connection: tests.cluster.url(tests.database) }, { env })
        await server.do('start')
        expect(await server.do('save')).toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'EWRITERGONE' })
        expect(readdirSync(folder)).toEqual([])
      },
    )

    it.each(['cancelled', 'forgotten'])(
      'is removed if the slice is %s before the parent has opened it',
      async (how) => {
        const store = await started()
        const connection = tests.cluster.config(tests.database)
        const { layout, owner, answerMs } = resolvePostgresOptions({ connection })
        const publication = { epoch: store.epoch, ownerEpoch: store.epoch, owner }
        const own = join(folder, 'own')
        const writer = new WriterProcess(answerMs)
        await writer.start()
        const request = { connection: await plainConnection(connection), answerMs, layout, publication, folder: own }
        const { sliceId, fifo } = await writer.ask('begin', request)
        expect([existsSync(fifo), readdirSync(own)]).toEqual([true, ['slice']])
        if (how === 'cancelled') await writer.ask('cancel', sliceId)
        else await writer.close()
        expect(existsSync(own)).toBe(false)
        await writer.close()
      },
    )
  })

  it('lets a slow database slow the child down and nobody else', async () => {
    const store = await started()
    await publishInto(store, numbers(1))
    await tests.cluster.with(tests.database, async (other) => {
      await other.query('BEGIN; LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE')
      const sink = await store.create()
      const { bytes, trailer } = render(sink, numbers(300_000))
      let written = false
      const writing = writeBytes(sink.fd, bytes).then(() => (written = true))
      await until(() => sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%'`))
      // The parent's own work goes on, and its connection answers.
      for (let turn = 0; turn < 100; turn++) await setImmediate()
      expect([written, (await store.list()).length]).toEqual([false, 1])
      await other.query('COMMIT')
      await writing
      expect((await sink.commit({ meta: {}, trailer })).rows).toBe(300_000)
    })
  })

  it('cancels a slice while the database is stuck', async () => {
    const store = await started()
    await publishInto(store, numbers(1))
    await tests.cluster.with(tests.database, async (other) => {
      await other.query('BEGIN; LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE')
      const sink = await store.create()
      const writing = rejection(writeBytes(sink.fd, render(sink, numbers(300_000)).bytes).catch(() => { throw new Error('EPIPE') })) // prettier-ignore
      await until(() => sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%'`))
      await sink.cancel()
      await writing
      const left = await sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)
      expect(left).toEqual([])
      await other.query('COMMIT')
    })
    await tests.checkWorks(store, [1n])
  })

  it('takes the lock again after each restart of the server', async () => {
    const store = await started({ keep: {} })
    // A crash of the server leaves a gap in its sequences.
    const ids: bigint[] = []
    for (let round = 0; round < 3; round++) {
      ids.unshift((await publishInto(store, numbers(1))).sliceId)
      tests.cluster.restart('immediate')
    }
    expect(await store.prune()).toEqual([])
    expect(store.epoch).toBe(1n)
    await expect(tests.make().start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    expect(await store.beginEpoch()).toBe(2n)
    await tests.checkWorks(store, ids)
  })
})

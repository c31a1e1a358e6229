import type { PostgresStore } from '../../src/store/postgres'
import { openNewest } from '../../src/store/newest'
import { reasonAgainstPostgres } from '../helpers/postgres'
import type { Cut } from '../helpers/postgres-proxy'
import { numbers, publishInto, until } from '../helpers/postgres-store'
import { StoreTests } from '../helpers/postgres-store-tests'
import { describeUnless } from '../helpers/store-fixture'
import { rejection } from '../helpers/store-slices'

describeUnless(reasonAgainstPostgres, 'PostgresStore and its lock', () => {
  const tests = new StoreTests()
  const { sql } = tests
  const holders = () =>
    sql(`SELECT pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE locktype = 'advisory' AND granted
           AND mode = 'ExclusiveLock' AND a.application_name = 'forksnap store' AND a.datname = current_database()`)
  const epochRow = async () => (await sql('SELECT epoch, reset_epoch FROM forksnap_epoch'))[0]

  /** A second server that somebody starts by mistake. */
  async function expectLocked(): Promise<void> {
    await expect(tests.make().start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    expect(await epochRow()).toEqual({ epoch: '1', reset_epoch: '1' })
  }

  it('takes its lock again while nobody uses it: after a restart of the server and after its connection was ended', async () => {
    const store = await tests.started()
    await publishInto(store, numbers(1))
    tests.cluster.restart('immediate')
    await until(holders)
    await expectLocked()
    await sql(`SELECT pg_terminate_backend(${(await holders())[0].pid}::int)`)
    await until(holders)
    await expectLocked()
    expect((await publishInto(store, numbers(1))).epoch).toBe(1n)
  })

  it('waits for a server that is away, and can be closed meanwhile', async () => {
    const store = await tests.started()
    tests.cluster.stop('immediate')
    await expect(store.list()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    tests.cluster.start()
    await until(holders)
    tests.cluster.stop('immediate')
    await store.close()
    tests.cluster.start()
    expect(await holders()).toEqual([])
  })

  it('hears of another owner that came while its connection was lost', async () => {
    const store = await tests.startedThroughProxy()
    const taker = await tests.started({ takeover: true })
    const error = await rejection(store.create())
    expect(error).toMatchObject({ code: 'ERR_FENCED' })
    await publishInto(taker, numbers(1))
  })

  it('is not kept out by its own connection, of which only the server does not know that it is lost', async () => {
    const store = await tests.startedThroughProxy()
    await publishInto(store, numbers(1))
    tests.proxy.forget()
    expect((await publishInto(store, numbers(1))).sliceId).toBe(2n)
    await until(async () => ((await holders()).length === 1 ? [1] : []))
    await expectLocked()
  })

  /** What a reader finds that recovers from the database now. */
  async function newestPosition(): Promise<bigint | undefined> {
    const newest = await openNewest(tests.make())
    await newest?.close()
    return newest?.info.position
  }

  it('begins an epoch whose COMMIT was answered, but not heard', async () => {
    const store = await started()
    tests.proxy.cutNextCommit('answer')
    expect(await store.beginEpoch()).toBe(2n)
    expect([store.epoch, store.resetEpoch]).toEqual([2n, 2n])
    expect(await epochRow()).toEqual({ epoch: '2', reset_epoch: '2' })
    expect(await newestPosition()).toBeUndefined()
    expect((await publishInto(store, numbers(1), { position: 1n })).epoch).toBe(2n)
  })

  it('says what is true of a COMMIT that the server may still be about', async () => {
    const store = await started()
    tests.proxy.cutNextCommit('early')
    const said = await store.beginEpoch().catch(() => 1n)
    expect([store.epoch, store.resetEpoch]).toEqual([said, said])
    expect(await epochRow()).toEqual({ epoch: String(said), reset_epoch: String(said) })
  })

  it.each<Cut>(['question', 'silent'])('says that no epoch was begun if the COMMIT never came (%s)', async (cut) => {
    const store = await started()
    tests.proxy.cutNextCommit(cut)
    await expect(store.beginEpoch()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    expect([store.epoch, store.resetEpoch]).toEqual([1n, 1n])
    expect(await newestPosition()).toBe(9n)
    expect(await store.beginEpoch()).toBe(2n)
  })

  async function started(): Promise<PostgresStore> {
    const store = await tests.startedThroughProxy()
    await publishInto(store, numbers(1), { position: 9n })
    return store
  }
})

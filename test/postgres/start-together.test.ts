import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { recover } from '../../src/recover'
import { FileOperationLog } from '../../src/oplog/file'
import type { OperationLog } from '../../src/oplog/oplog'
import { PostgresOperationLog } from '../../src/oplog/postgres'
import { FileStore } from '../../src/store/file'
import type { PostgresStore } from '../../src/store/postgres'
import type { SliceStore } from '../../src/store/store'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { op } from '../helpers/postgres-oplog'
import { numbers, publishInto } from '../helpers/postgres-store'
import { StoreTests } from '../helpers/postgres-store-tests'
import { describeUnless } from '../helpers/store-fixture'

/** Who is refused one of the two locks must not have fenced whoever has the other one, or is about to have it again. */
describeUnless(reasonAgainstPostgres, 'A start that is refused the second lock', () => {
  const tests = new StoreTests()
  const logs: OperationLog[] = []
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'forksnap-start-'))))
  afterEach(async () => {
    for (const log of logs.splice(0)) await log.close()
    rmSync(folder, { recursive: true })
  })

  function makeLog(kind: 'file' | 'postgres' = 'postgres', takeover = false): OperationLog {
    const connection = tests.cluster.config(tests.database)
    const log =
      kind === 'file'
        ? new FileOperationLog({ directory: join(folder, 'log') })
        : new PostgresOperationLog({ connection, takeover })
    logs.push(log)
    return log
  }

  async function startedLog(kind: 'file' | 'postgres'): Promise<OperationLog> {
    const log = makeLog(kind)
    await log.start()
    return log
  }

  async function expectRefused(store: SliceStore, log: OperationLog): Promise<void> {
    const recovering = recover({ store, log, restore: { numbers: () => undefined }, replay: () => undefined })
    await expect(recovering).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    await store.close()
    await log.close()
  }

  const epochs = async (): Promise<unknown> =>
    Object.fromEntries((await tests.sql('SELECT name, epoch FROM forksnap_epoch')).map((row) => [row.name, row.epoch]))

  async function expectGoesOn(store: PostgresStore, log: OperationLog): Promise<void> {
    await log.append(op(Number(log.lastId) + 1)).durable
    expect((await publishInto(store, numbers(1), { position: log.lastId })).epoch).toBe(1n)
  }

  it('has begun no epoch of the store', async () => {
    await (await tests.started()).close()
    await startedLog('postgres')
    await expectRefused(tests.make(), makeLog())
    expect(await epochs()).toEqual({ 'slices:default': '1', 'log:operation_log': '1' })
  })

  it.each(['file', 'postgres'] as const)('leaves an owner whose store it has taken over (log: %s)', async (kind) => {
    const store = await tests.started()
    const log = await startedLog(kind)
    await expectRefused(tests.make({ takeover: true }), makeLog(kind))
    await expectGoesOn(store, log)
  })

  it('leaves an owner whose log it has taken over', async () => {
    const log = await startedLog('postgres')
    const store = new FileStore({ directory: join(folder, 'slices') })
    await store.start()
    await expectRefused(new FileStore({ directory: join(folder, 'slices') }), makeLog('postgres', true))
    await log.append(op(1)).durable
    expect(await epochs()).toEqual({ 'log:operation_log': '1' })
    await store.close()
  })

  it('holds the lock from acquire() on, which a lost connection does not leave behind', async () => {
    const store = tests.make()
    await store.acquire()
    await store.acquire()
    await expect(tests.make().start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    await tests.sql(`SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND granted`)
    await store.start()
    expect(await epochs()).toEqual({ 'slices:default': '1' })
    await tests.checkWorks(store, [])
  })

  it('gives the lock back that acquire() has taken', async () => {
    const [store, log] = [tests.make(), makeLog()]
    await store.acquire()
    await log.acquire?.()
    await store.close()
    await log.close()
    await tests.started()
    await startedLog('postgres')
    expect(await epochs()).toEqual({ 'slices:default': '1', 'log:operation_log': '1' })
  })
})

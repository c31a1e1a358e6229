import { writeSync } from 'node:fs'
import type { SliceWriter } from '../../src/slice/types'
import { openNewest } from '../../src/store/newest'
import { PostgresStore } from '../../src/store/postgres'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { numbers, publishInto, readAll, writeInto } from '../helpers/postgres-store'
import { type StoreOptions, StoreTests } from '../helpers/postgres-store-tests'
import { describeUnless } from '../helpers/store-fixture'
import { closedWhileCreating, codeThrown, rejection } from '../helpers/store-slices'
import { isAlive } from '../helpers/fixture'
import { writeSlice } from '../helpers/slice-memory'

describeUnless(reasonAgainstPostgres, 'PostgresStore', () => {
  const tests = new StoreTests()
  const { sql, stores } = tests
  const started = (options: StoreOptions = {}): Promise<PostgresStore> => tests.started(options)
  const ids = async (store: PostgresStore): Promise<bigint[]> => (await store.list()).map((info) => info.sliceId)

  it('publishes a slice and reads it back in the order in which it was written', async () => {
    const store = await started()
    const blob = Buffer.alloc(2_500_000, 'blob')
    const meta = { position: 7n, orderId: 3n, note: 'x' }
    const write = (slice: SliceWriter): void => {
      numbers(1000)(slice)
      slice.blob('book', blob)
      slice.table('empty', [['a', 'int4']])
      slice.blob('nothing', new Uint8Array(0))
      slice.set('digest', 'abc')
    }
    const info = await publishInto(store, write, meta)
    expect(info).toMatchObject({ sliceId: 1n, epoch: 1n, position: 7n, rows: 1000, meta })
    const listed = await store.list()
    expect(listed).toEqual([info])
    const source = await store.open(1n)
    expect(source.header.meta).toEqual(meta)
    expect(source.trailer).toMatchObject({ values: { digest: 'abc' }, rows: 1000, bytes: info.bytes })
    const { rows, blobs, trailer } = await readAll(source)
    expect(rows.map(([table, [n, note]]) => [table, n, note])).toEqual(
      Array.from({ length: 1000 }, (_, n) => ['numbers', BigInt(n), `row ${n}`]),
    )
    expect(blobs.map(([name]) => name)).toEqual(['book', 'nothing'])
    expect([blobs[0]?.[1].equals(blob), blobs[1]?.[1].length]).toEqual([true, 0])
    expect(trailer).toEqual(source.trailer)
    expect(await source.verify()).toEqual(source.trailer)
    await source.close()
    const [history] = await sql('SELECT * FROM slice_history')
    expect(history).toMatchObject({ id: '1', end_operation_log_id: '7', end_order_id: '3', end_trade_id: '0' })
  })

  it('lists and opens beside a running owner, without being started', async () => {
    const store = await started()
    await store.beginEpoch()
    await publishInto(store, numbers(3))
    const reader = stores.make(tests.cluster.url(tests.database))
    expect(await ids(reader)).toEqual([1n])
    expect([reader.epoch, reader.resetEpoch]).toEqual([2n, 2n])
    const source = await reader.open(1n)
    expect((await readAll(source)).rows).toHaveLength(3)
    await source.close()
    await expect(reader.create()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
    expect(await stores.make(tests.cluster.config()).list()).toEqual([])
    await expect(stores.make(tests.cluster.config()).open(1n)).rejects.toMatchObject({ code: 'ERR_SLICE_NOT_FOUND' })
  })

  it('leaves nothing of a slice that was cancelled, whose writer went away, or that broke off', async () => {
    const store = await started()
    await publishInto(store, numbers(1))
    const cancelled = await store.create()
    writeInto(cancelled, numbers(1000))
    await cancelled.cancel()
    await cancelled.cancel()
    const broken = await store.create()
    writeSync(broken.fd, writeSlice(numbers(10), { sliceId: broken.sliceId }).bytes.subarray(0, 100))
    const trailer = { rows: 0, tables: [], blobs: [], values: {}, bytes: 0, checksum: '' }
    await expect(broken.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_SLICE_CORRUPT' })
    await broken.cancel()
    expect(await ids(store)).toEqual([1n])
    expect(await sql('SELECT count(*) FROM numbers')).toEqual([{ count: '1' }])
    await publishInto(store, numbers(1))
  })

  it('refuses what the child did not report', async () => {
    const store = await started()
    const sink = await store.create()
    const trailer = writeInto(sink, numbers(5))
    const wrong = { ...trailer, checksum: '00000000' }
    await expect(sink.commit({ meta: {}, trailer: wrong })).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    const other = await store.create()
    const meta = { position: 1n }
    const result = { meta, trailer: writeInto(other, numbers(5)) }
    await expect(other.commit(result)).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    expect(await store.list()).toEqual([])
  })

  it('withdraws a slice that is being created while it is closed, and begins none after that', async () => {
    const store = await started()
    const { meanwhile } = await closedWhileCreating(store, '/nowhere')
    expect(meanwhile).toMatchObject({ code: 'ERR_INVALID_STATE' })
    await store.start()
    expect(await store.list()).toEqual([])
    await publishInto(store, numbers(1))
    expect(await store.list()).toHaveLength(1)
  })

  it('keeps slices in the order of epoch, position and id, and forgets those before a reset', async () => {
    const store = await started({ keep: {} })
    await publishInto(store, numbers(1), { position: 9n })
    await publishInto(store, numbers(1), { position: 5n })
    await publishInto(store, numbers(1), { position: 9n })
    expect(await ids(store)).toEqual([3n, 1n, 2n])
    await store.close()
    await store.start()
    expect([store.epoch, store.resetEpoch]).toEqual([2n, 1n])
    const newest = await openNewest(store)
    expect(newest?.info.sliceId).toBe(3n)
    await newest?.close()
    const stale = await store.create()
    expect(await store.beginEpoch()).toBe(3n)
    const result = { meta: {}, trailer: writeInto(stale, numbers(1)) }
    await expect(stale.commit(result)).rejects.toMatchObject({ code: 'ERR_EPOCH_CHANGED' })
    expect(await openNewest(store)).toBeNull()
    const { sliceId } = await publishInto(store, numbers(2))
    expect((await ids(store))[0]).toBe(sliceId)
  })

  it('removes whole old slices, and never the newest good one', async () => {
    const store = await started({ keep: { count: 2 } })
    for (let i = 0; i < 4; i++) {
      const write = (slice: SliceWriter): void => {
        numbers(10)(slice)
        slice.blob('b', Buffer.from('x'))
      }
      await publishInto(store, write, { position: BigInt(i) })
    }
    expect(await store.prune()).toEqual([2n, 1n])
    const left = 'SELECT DISTINCT slice_id FROM numbers ORDER BY 1'
    expect(await sql(left)).toEqual([{ slice_id: '3' }, { slice_id: '4' }])
    expect(await sql('SELECT slice_id FROM forksnap_blob ORDER BY 1')).toHaveLength(2)
    expect(await sql('SELECT id FROM slice_history ORDER BY 1')).toEqual([{ id: '3' }, { id: '4' }])
    await sql('DELETE FROM numbers WHERE slice_id = 4 AND n = 5')
    await store.close()
    const again = await started({ keep: { count: 1 } })
    expect(await again.prune()).toEqual([])
    const damaged: bigint[] = []
    const good = await openNewest(again, { onBroken: (info) => damaged.push(info.sliceId) })
    expect([good?.info.sliceId, damaged]).toEqual([3n, [4n]])
    await good?.close()
    await again.remove(4n)
    await expect(again.remove(4n)).rejects.toMatchObject({ code: 'ERR_SLICE_NOT_FOUND' })
    expect(await ids(again)).toEqual([3n])
  })

  it('reads a long row without joining its beginning again with each piece', async () => {
    const store = await started()
    const long = 'x'.repeat(8 * 1024 * 1024)
    const { sliceId } = await publishInto(store, (slice) => slice.table('long', [['note', 'text']]).row(long))
    const source = await store.open(sliceId)
    const concat = jest.spyOn(Buffer, 'concat')
    const { rows } = await readAll(source)
    const joined = concat.mock.results.reduce((sum, { value }) => sum + (value as Buffer).length, 0)
    concat.mockRestore()
    await source.close()
    expect(rows).toEqual([['long', [long]]])
    expect(joined).toBeLessThan(4 * long.length)
  })

  it('stays readable while somebody removes the slice', async () => {
    const store = await started()
    await publishInto(store, numbers(100))
    const source = await store.open(1n)
    await store.remove(1n)
    expect((await readAll(source)).rows).toHaveLength(100)
    await source.close()
    await expect(source.verify()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
  })

  it('lets a handler end a read with its own error, and reads again', async () => {
    const store = await started()
    await publishInto(store, numbers(1000))
    const source = await store.open(1n)
    const mine = new Error('mine')
    const row = (): void => {
      throw mine
    }
    expect(await rejection(source.read({ row }))).toBe(mine)
    expect(await rejection(source.read({ fields: () => row }))).toBe(mine)
    const notes: string[] = []
    await source.read({ fields: () => (fields) => void notes.push(`${fields.integer(0)} ${fields.text(1)}`) })
    expect([notes[0], notes.length]).toEqual(['0 row 0', 1000])
    expect((await readAll(source)).rows).toHaveLength(1000)
    await source.close()
  })

  it('keeps a second process out, and fences the first after a takeover', async () => {
    const first = await started()
    const sink = await first.create()
    const second = tests.make()
    await expect(second.start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    await started({ name: 'another' })
    const third = await started({ takeover: true })
    expect(third.epoch).toBe(2n)
    // The child sees its channel broken, and the sink knows why.
    expect(codeThrown(() => writeInto(sink, numbers(1_000_000)))).toBe('EPIPE')
    expect(await sink.explain?.(new Error('EPIPE'))).toMatchObject({ code: 'ERR_STORE_FAILED' })
    await sink.cancel()
    await expect(first.create()).rejects.toMatchObject({ code: 'ERR_FENCED' })
    await expect(first.prune()).rejects.toMatchObject({ code: 'ERR_FENCED' })
    await publishInto(third, numbers(1))
  })

  it('ends the writer process when it is closed, and starts another one when it dies', async () => {
    const store = await started()
    const first = store.writerPid as number
    expect(isAlive(first)).toBe(true)
    const sink = await store.create()
    process.kill(first, 'SIGKILL')
    const trailer = { rows: 0, tables: [], blobs: [], values: {}, bytes: 0, checksum: '' }
    const error = await rejection(sink.commit({ meta: {}, trailer }))
    expect(error).toMatchObject({ code: 'ERR_STORE_FAILED', message: expect.stringContaining('SIGKILL') })
    await publishInto(store, numbers(1))
    const second = store.writerPid as number
    expect(second).not.toBe(first)
    await store.close()
    expect(isAlive(second)).toBe(false)
  })
})

describe('The options of a PostgresStore', () => {
  it.each([
    [{}],
    [{ connection: 'http://x' }],
    [{ connection: { stream: () => undefined } }],
    [{ connection: 'postgres:///x', name: '' }],
    [{ connection: 'postgres:///x', schema: 'a\0b' }],
    [{ connection: 'postgres:///x', tables: { a: 'b.c.d' } }],
    [{ connection: 'postgres:///x', spool: true }],
    [{ connection: 'postgres:///x', keep: { count: 0 } }],
    [{ connection: 'postgres:///x', unknown: 1 }],
  ])('are refused: %j', (options) => {
    expect(codeThrown(() => new PostgresStore(options as never))).toBe('ERR_INVALID_ARGUMENT')
  })
})

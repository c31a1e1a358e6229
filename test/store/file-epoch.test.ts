import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openNewest } from '../../src/store/newest'
import { StoreBench, listedIds, publish, sliceFiles, writeContents } from '../helpers/store-slices'

const bench = new StoreBench()
afterEach(() => bench.cleanUp())

describe('FileStore epochs', () => {
  it('begin with 1, rise, and last', async () => {
    const store = await bench.started()
    expect(store.epoch).toBe(1n)
    expect(await store.beginEpoch()).toBe(2n)
    expect(await Promise.all([store.beginEpoch(), store.beginEpoch()])).toEqual([3n, 4n])
    await store.close()
    const next = await bench.started({ directory: store.directory })
    expect(next.epoch).toBe(4n)
    expect((await publish(next)).epoch).toBe(4n)
    expect(readFileSync(join(store.directory, 'epoch'), 'utf8')).toBe('4\n')
  })

  it('fence off a slice that was begun before', async () => {
    const store = await bench.started()
    const sink = await store.create()
    const trailer = writeContents(sink)
    await store.beginEpoch()
    await expect(sink.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_EPOCH_CHANGED' })
    expect(sliceFiles(store)).toEqual([])
  })

  it('fence it off at the last moment, or let it be the last of the old epoch', async () => {
    const store = await bench.started()
    const sink = await store.create()
    const trailer = writeContents(sink)
    const [commit] = await Promise.allSettled([sink.commit({ meta: {}, trailer }), store.beginEpoch()])
    const infos = await store.list()
    expect(infos.map((info) => info.epoch)).toEqual(commit.status === 'fulfilled' ? [1n] : [])
  })

  it('end the newness of older slices, which stay until they are pruned', async () => {
    const store = await bench.started({ keep: { count: 1 } })
    await publish(store, { meta: { position: 100n } })
    await store.beginEpoch()
    expect(await listedIds(store)).toEqual([1n])
    expect(await openNewest(store)).toBeNull()
    expect(await store.prune()).toEqual([])

    await publish(store, { meta: { position: 2n } })
    const source = await openNewest(store)
    expect(source?.info).toMatchObject({ sliceId: 2n, epoch: 2n })
    await source?.close()
    expect(await store.prune()).toEqual([1n])
  })

  it('can be named, for a store whose epoch rises without a reset', async () => {
    const store = await bench.started()
    await publish(store)
    await store.beginEpoch()
    const source = await openNewest(store, { fromEpoch: 1n })
    expect(source?.info.sliceId).toBe(1n)
    await source?.close()
  })

  it('are taken from the slices where the file was lost', async () => {
    const store = await bench.started()
    await store.beginEpoch()
    await publish(store)
    await store.close()
    rmSync(join(store.directory, 'epoch'))
    await store.start()
    expect(store.epoch).toBe(2n)
  })

  it.each(['', '0\n', '-1\n', '1', '1\n2\n', 'x\n', '9999999999999999999\n'])(
    'refuse the epoch file %j',
    async (text) => {
      const store = await bench.started()
      await store.close()
      writeFileSync(join(store.directory, 'epoch'), text, { mode: 0o600 })
      await expect(store.start()).rejects.toMatchObject({
        code: 'ERR_STORE_FAILED',
        path: join(store.directory, 'epoch'),
      })
      writeFileSync(join(store.directory, 'epoch'), '7\n')
      await store.start()
      expect(store.epoch).toBe(7n)
    },
  )
})

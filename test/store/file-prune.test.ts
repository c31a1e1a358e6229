import { existsSync, readFileSync, renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { FileStore } from '../../src/store/file'
import { StoreBench, listedIds, publish, sliceFiles } from '../helpers/store-slices'

const bench = new StoreBench()
afterEach(() => bench.cleanUp())

async function publishMany(store: FileStore, count: number): Promise<string[]> {
  const locations: string[] = []
  for (let at = 1; at <= count; at++) {
    locations.push((await publish(store, { meta: { position: BigInt(at) } })).location)
  }
  return locations
}

function age(location: string, seconds: number): void {
  const then = Date.now() / 1000 - seconds
  utimesSync(location, then, then)
}

function damageRows(location: string): void {
  const bytes = readFileSync(location)
  bytes.write('yy', bytes.indexOf('xxxx'))
  writeFileSync(location, bytes)
}

describe('FileStore prune', () => {
  it('keeps three by default', async () => {
    const store = await bench.started()
    await publishMany(store, 5)
    expect(await store.prune()).toEqual([2n, 1n])
    expect(await listedIds(store)).toEqual([5n, 4n, 3n])
    expect(sliceFiles(store)).toHaveLength(3)
    expect(await store.prune()).toEqual([])
  })

  it('keeps by age, and the newest however old it is', async () => {
    const store = await bench.started({ keep: { maxAgeMs: 60_000 } })
    const locations = await publishMany(store, 3)
    age(locations[0] ?? '', 120)
    expect(await store.prune()).toEqual([1n])
    for (const location of locations.slice(1)) age(location, 120)
    expect(await store.prune()).toEqual([2n])
    expect(await listedIds(store)).toEqual([3n])
  })

  it('keeps everything if told so', async () => {
    const store = await bench.started({ keep: {} })
    const locations = await publishMany(store, 5)
    for (const location of locations) age(location, 1e6)
    expect(await store.prune()).toEqual([])
  })

  it('does not count broken slices, and does not remove them', async () => {
    const store = await bench.started({ keep: { count: 2 } })
    const locations = await publishMany(store, 3)
    const newest = locations[2] ?? ''
    renameSync(newest, `${newest}.broken`)
    expect(await store.prune()).toEqual([])
    expect(sliceFiles(store)).toEqual(expect.arrayContaining([`${basename(newest)}.broken`]))
  })

  it('never removes the last good slice for the sake of a damaged one', async () => {
    const store = await bench.started({ keep: { count: 1 } })
    const locations = await publishMany(store, 3)
    await store.close()
    damageRows(locations[2] ?? '')
    truncateSync(locations[1] ?? '', 100)

    const next = await bench.started({ directory: store.directory, keep: { count: 1, maxAgeMs: 1 } })
    age(locations[0] ?? '', 1000)
    expect(await next.prune()).toEqual([])
    expect(await listedIds(next)).toEqual([1n])
    expect(existsSync(`${locations[2]}.broken`)).toBe(true)
    expect(existsSync(`${locations[1]}.broken`)).toBe(true)
  })

  it('removes nothing if no slice is good', async () => {
    const store = await bench.started({ keep: { count: 1 } })
    const locations = await publishMany(store, 2)
    await store.close()
    for (const location of locations) damageRows(location)
    await store.start()
    expect(await store.prune()).toEqual([])
    expect(sliceFiles(store).every((name) => name.endsWith('.broken'))).toBe(true)
    expect(sliceFiles(store)).toHaveLength(2)
  })
})

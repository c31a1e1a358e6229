import { crc32 } from 'node:zlib'
import { copyFileSync, existsSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import fc from 'fast-check'
import { ForksnapError } from '../../src/errors'
import { openNewest } from '../../src/store/newest'
import type { FileStore } from '../../src/store/file'
import type { SliceInfo } from '../../src/store/store'
import { StoreBench, listedIds, publish, readIds, rejection, sliceFiles } from '../helpers/store-slices'

const bench = new StoreBench()
afterEach(() => bench.cleanUp())

function flipByte(path: string, offset: number): void {
  const bytes = readFileSync(path)
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x20
  writeFileSync(path, bytes)
}

/** Offset of a byte in the rows, which only a full reading can find to be wrong. */
function rowOffset(path: string): number {
  return readFileSync(path).indexOf('xxxx')
}

async function readFully(store: FileStore, sliceId: bigint): Promise<void> {
  const source = await store.open(sliceId)
  await source.verify().finally(() => source.close())
}

describe('a damaged slice', () => {
  it('is kept as .broken when open() finds the damage', async () => {
    const store = await bench.started()
    const { location, bytes } = await publish(store)
    truncateSync(location, bytes - 1)
    const contents = readFileSync(location)
    const error = await rejection(store.open(1n))
    expect(error).toMatchObject({ code: 'ERR_SLICE_CORRUPT', path: `${location}.broken` })
    expect(typeof (error as ForksnapError).offset).toBe('number')
    expect(existsSync(location)).toBe(false)
    expect(readFileSync(`${location}.broken`)).toEqual(contents)
    expect(await store.list()).toEqual([])
  })

  it('is kept as .broken when read() or verify() finds the damage', async () => {
    const store = await bench.started()
    for (const read of [true, false]) {
      const { sliceId, location } = await publish(store)
      const offset = rowOffset(location)
      flipByte(location, offset)
      const source = await store.open(sliceId)
      const reading = read ? readIds(source) : source.verify()
      const error = (await rejection(reading)) as ForksnapError
      await source.close()
      expect(error).toMatchObject({ code: 'ERR_SLICE_CORRUPT', path: `${location}.broken` })
      expect(error.offset).toBeLessThanOrEqual(offset)
      expect(existsSync(`${location}.broken`)).toBe(true)
    }
  })

  it('is found wherever a byte changed or the file was cut', async () => {
    const store = await bench.started()
    const { location, bytes } = await publish(store)
    const good = readFileSync(location)
    const offsets = fc.nat({ max: bytes - 1 })
    await fc.assert(
      fc.asyncProperty(offsets, fc.integer({ min: 0, max: 255 }), async (offset, mask) => {
        const bad = mask === 0 ? good.subarray(0, offset) : Buffer.from(good)
        if (mask !== 0) bad[offset] = (good[offset] ?? 0) ^ mask
        writeFileSync(location, bad)
        await expect(readFully(store, 1n)).rejects.toMatchObject({ code: 'ERR_SLICE_CORRUPT' })
        renameSync(`${location}.broken`, location)
      }),
      { numRuns: 300 },
    )
  })

  it('is found where bytes were added', async () => {
    const store = await bench.started()
    const { location } = await publish(store)
    writeFileSync(location, Buffer.concat([readFileSync(location), Buffer.from('x')]))
    await expect(readFully(store, 1n)).rejects.toMatchObject({ code: 'ERR_SLICE_CORRUPT' })
  })

  it('is found where a name was changed so that it would sort as newer', async () => {
    const store = await bench.started()
    const { location } = await publish(store, { meta: { position: 5n } })
    const newer = location.replace(/-p\d+-(?=i\d+\.slice$)/, `-p${'9'.padStart(19, '0')}-`)
    renameSync(location, newer)
    await expect(store.open(1n)).rejects.toMatchObject({ code: 'ERR_SLICE_CORRUPT', path: `${newer}.broken` })
  })

  it('is listed with what its name says until it is opened', async () => {
    const store = await bench.started()
    const { location } = await publish(store, { meta: { position: 9n, note: 'x' } })
    truncateSync(location, 10)
    const [info] = await store.list()
    expect(info).toMatchObject({ sliceId: 1n, position: 9n, rows: 0, bytes: 10, meta: { position: 9n } })
  })

  it('does not take the place of an earlier broken one', async () => {
    const store = await bench.started()
    const { location } = await publish(store)
    const copy = `${location}.copy`
    copyFileSync(location, copy)
    truncateSync(location, 20)
    await rejection(store.open(1n))
    renameSync(copy, location)
    truncateSync(location, 30)
    await rejection(store.open(1n))
    const names = [`${basename(location)}.broken`, `${basename(location)}.broken-2`]
    expect(sliceFiles(store)).toEqual(names)
    expect(readFileSync(`${location}.broken`)).toHaveLength(20)
  })

  it('stays where it is for a reader that does not own the directory', async () => {
    const owner = await bench.started()
    const { location } = await publish(owner)
    flipByte(location, rowOffset(location))
    const reader = bench.store({ directory: owner.directory })
    const error = await rejection(readFully(reader, 1n))
    expect(error).toMatchObject({ code: 'ERR_SLICE_CORRUPT', path: location })
    truncateSync(location, 10)
    await expect(reader.open(1n)).rejects.toMatchObject({ code: 'ERR_SLICE_CORRUPT', path: location })
    expect(existsSync(location)).toBe(true)
  })
})

describe('what is not damage', () => {
  it('leaves the slice of a newer format where it is', async () => {
    const store = await bench.started()
    const { location } = await publish(store)
    const bytes = readFileSync(location)
    bytes.writeUInt32LE(99, 8)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12)
    writeFileSync(location, bytes)
    await expect(store.open(1n)).rejects.toMatchObject({ code: 'ERR_SLICE_VERSION' })
    await expect(openNewest(store)).rejects.toMatchObject({ code: 'ERR_SLICE_VERSION' })
    expect(existsSync(location)).toBe(true)
  })

  it.each([new TypeError('of the caller'), new ForksnapError('ERR_SLICE_CORRUPT', 'another slice', { offset: 1 })])(
    "passes a handler's own error through: %s",
    async (thrown) => {
      const store = await bench.started()
      const { location } = await publish(store)
      const source = await store.open(1n)
      const row = (): void => {
        throw thrown
      }
      expect(await rejection(source.read({ row }))).toBe(thrown)
      await source.close()
      expect(existsSync(location)).toBe(true)
    },
  )
})

describe('reading', () => {
  it('reports progress up to the end and needs no more than its file', async () => {
    const store = await bench.started()
    const { bytes } = await publish(store, { rows: 3000, width: 1000 })
    const source = await store.open(1n)
    const seen: [number, number][] = []
    await source.read({ progress: (read, total) => void seen.push([read, total]) })
    expect(seen.length).toBeGreaterThanOrEqual(3)
    expect(seen.at(-1)).toEqual([bytes, bytes])
    expect(seen.every(([read], index) => read > (seen[index - 1]?.[0] ?? 0))).toBe(true)
    await source.close()
  })

  it('stops with an error when it is closed halfway', async () => {
    const store = await bench.started()
    await publish(store, { rows: 3000, width: 1000 })
    const source = await store.open(1n)
    const reading = rejection(source.verify())
    await source.close()
    expect(await reading).toMatchObject({ code: 'ERR_INVALID_STATE' })
  })
})

describe('openNewest', () => {
  it('takes the newest good slice, and tells of the damaged ones that it passed over', async () => {
    const store = await bench.started()
    for (const position of [1n, 2n, 3n, 4n]) await publish(store, { meta: { position } })
    const [newest, second] = (await store.list()) as [SliceInfo, SliceInfo]
    truncateSync(newest.location, 50)
    flipByte(second.location, rowOffset(second.location))
    const broken: [bigint, string][] = []
    const source = await openNewest(store, { onBroken: (info, error) => void broken.push([info.sliceId, error.code]) })
    expect(source?.info.sliceId).toBe(2n)
    expect(await readIds(source!)).toHaveLength(10)
    await source?.close()
    expect(broken).toEqual([
      [4n, 'ERR_SLICE_CORRUPT'],
      [3n, 'ERR_SLICE_CORRUPT'],
    ])
    expect(await listedIds(store)).toEqual([2n, 1n])
  })

  it('has nothing to give in an empty store, or one where all is damaged', async () => {
    const store = await bench.started()
    expect(await openNewest(store)).toBeNull()
    truncateSync((await publish(store)).location, 7)
    expect(await openNewest(store)).toBeNull()
  })
})

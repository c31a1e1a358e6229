import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FileStore } from '../../src/store/file'
import {
  closedWhileCreating,
  codeThrown,
  StoreBench,
  listedIds,
  openBelow,
  publish,
  readIds,
  rejection,
  sliceFiles,
  writeContents,
} from '../helpers/store-slices'

const bench = new StoreBench()
afterEach(() => bench.cleanUp())

const modeOf = (path: string): number => statSync(path).mode & 0o777

describe('FileStore start', () => {
  it('creates the directory and its parents 0700 and files 0600, whatever the umask', async () => {
    const umask = process.umask(0o777)
    try {
      const top = join(bench.directory(), 'a')
      const store = await bench.started({ directory: join(top, 'b') })
      const { location } = await publish(store)
      await store.beginEpoch()
      expect([top, store.directory].map(modeOf)).toEqual([0o700, 0o700])
      const files = [location, join(store.directory, 'lock'), join(store.directory, 'epoch')]
      expect(files.map(modeOf)).toEqual([0o600, 0o600, 0o600])
    } finally {
      process.umask(umask)
    }
  })

  it('is idempotent, also when called twice at once', async () => {
    const store = bench.store()
    await Promise.all([store.start(), store.start()])
    await store.start()
    expect(readFileSync(join(store.directory, 'lock'), 'utf8')).toBe(`${process.pid}\n`)
  })

  it('removes stray temporary files of its own, and nothing else', async () => {
    const store = bench.store()
    mkdirSync(store.directory, { mode: 0o700 })
    const stray = ['tmp-slice-0000000000000000041-0123456789abcdef', 'tmp-epoch-0123456789abcdef']
    const foreign = ['tmp-mine', 'notes.txt']
    const directoryOfThatName = 'tmp-epoch-ffffffffffffffff'
    for (const name of [...stray, ...foreign]) writeFileSync(join(store.directory, name), 'x')
    mkdirSync(join(store.directory, directoryOfThatName))
    await store.start()
    expect(sliceFiles(store)).toEqual(['notes.txt', directoryOfThatName, 'tmp-mine'])
  })

  it.each([
    [{ directory: '' }],
    [{ directory: 'x', keep: { count: 0 } }],
    [{ directory: 'x', syncEveryBytes: -1 }],
    [{ directory: 'x', syncEveryBytes: 0.5 }],
    [{ directory: 'x', codec: 'lzf' as 'none' }],
  ])('refuses the options %j', (options) => {
    expect(codeThrown(() => new FileStore(options))).toBe('ERR_INVALID_ARGUMENT')
  })

  it('must come before every change', async () => {
    const store = await bench.started()
    await publish(store)
    await store.close()
    for (const change of [store.create(), store.remove(1n), store.prune(), store.beginEpoch()]) {
      await expect(change).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
    }
    await store.start()
    expect(await listedIds(store)).toEqual([1n])
  })
})

describe('FileStore commit', () => {
  it('publishes a slice that reads back', async () => {
    const store = await bench.started()
    const meta = { position: 42n, orderId: 7n, note: 'é' }
    const sink = await store.create()
    expect(sink.writing).toEqual({ codec: 'none', syncEveryBytes: 4 * 1024 * 1024 })
    const trailer = writeContents(sink, { meta, rows: 3 })
    expect(await store.list()).toEqual([])

    const info = await sink.commit({ meta, trailer })
    expect(info).toMatchObject({ sliceId: 1n, epoch: 1n, position: 42n, rows: 3, bytes: trailer.bytes, meta })
    expect(await store.list()).toEqual([info])
    expect(sliceFiles(store)).toEqual([expect.stringMatching(/^e0*1-p0*42-i0*1\.slice$/)])

    const source = await store.open(1n)
    expect(source.info).toEqual(info)
    expect(source.header).toMatchObject({ sliceId: 1n, meta })
    expect(source.trailer).toEqual(trailer)
    expect(await source.verify()).toEqual(trailer)
    expect(await readIds(source)).toEqual([1n, 2n, 3n])
    await source.close()
    await source.close()
    await expect(source.verify()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
  })

  it('closes the descriptor', async () => {
    const store = await bench.started()
    const sink = await store.create()
    await sink.commit({ meta: {}, trailer: writeContents(sink) })
    expect(() => fstatSync(sink.fd)).toThrow('EBADF')
  })

  it('orders by epoch, position and id, never by the clock', async () => {
    const store = await bench.started()
    const positions = [50n, 40n, 50n, 60n]
    for (const position of positions) await publish(store, { meta: { position } })
    await store.beginEpoch()
    await publish(store, { meta: { position: 1n } })
    for (const { sliceId, location } of await store.list()) {
      const seconds = 1_000_000_000 + Number(sliceId) * (sliceId % 2n === 0n ? 1000 : -1000)
      utimesSync(location, seconds, seconds)
    }
    expect(await listedIds(store)).toEqual([5n, 4n, 3n, 1n, 2n])
  })

  it('counts position 0 where meta has none, and refuses what is no position', async () => {
    const store = await bench.started()
    expect((await publish(store)).position).toBe(0n)
    for (const position of [-1n, 2n ** 63n, 5 as unknown as bigint]) {
      const sink = await store.create()
      const trailer = writeContents(sink)
      await expect(sink.commit({ meta: { position }, trailer })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    }
    expect(sliceFiles(store)).toHaveLength(1)
  })

  it.each([
    ['a wrong length', { bytes: 1 }, {}],
    ['a wrong checksum', { checksum: '00000000' }, {}],
    ['a wrong number of rows', { rows: 11 }, {}],
    ['another position than the header', {}, { position: 1n }],
  ])('refuses %s and leaves nothing', async (_what, wrong, meta) => {
    const store = await bench.started()
    await publish(store)
    const sink = await store.create()
    const trailer = { ...writeContents(sink), ...wrong }
    await expect(sink.commit({ meta, trailer })).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    expect(await listedIds(store)).toEqual([1n])
    expect(sliceFiles(store)).toHaveLength(1)
    expect(() => fstatSync(sink.fd)).toThrow('EBADF')
  })

  it('refuses contents that are not this slice', async () => {
    const store = await bench.started()
    const [one, two] = [await store.create(), await store.create()]
    const trailer = writeContents({ ...two, fd: one.fd, sliceId: two.sliceId, writing: two.writing })
    await expect(one.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    expect(await store.list()).toEqual([])
  })

  it('refuses when another file has taken the place of its own', async () => {
    const store = await bench.started()
    const sink = await store.create()
    const trailer = writeContents(sink)
    const temp = join(store.directory, sliceFiles(store)[0] ?? '')
    renameSync(temp, join(store.directory, 'moved'))
    writeFileSync(temp, readFileSync(join(store.directory, 'moved')), { mode: 0o600 })
    await expect(sink.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
    expect(await store.list()).toEqual([])
  })

  it('happens once', async () => {
    const store = await bench.started()
    const sink = await store.create()
    const trailer = writeContents(sink)
    const first = sink.commit({ meta: {}, trailer })
    await expect(sink.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
    await first
    expect(await listedIds(store)).toEqual([1n])
  })

  it.each(['gzip', 'none'] as const)('passes the codec %s to the child', async (codec) => {
    const store = await bench.started({ codec, syncEveryBytes: 0 })
    const info = await publish(store, { rows: 1000 })
    const source = await store.open(info.sliceId)
    expect(source.header.codec).toBe(codec)
    expect(await readIds(source)).toHaveLength(1000)
    await source.close()
  })
})

describe('FileStore cancel', () => {
  it('leaves nothing, closes the descriptor, and may be repeated', async () => {
    const store = await bench.started()
    const sink = await store.create()
    writeContents(sink)
    await Promise.all([sink.cancel(), sink.cancel()])
    expect(() => fstatSync(sink.fd)).toThrow('EBADF')
    await sink.cancel()
    expect(sliceFiles(store)).toEqual([])
    expect(await store.list()).toEqual([])
    const trailer = { rows: 0, tables: [], blobs: [], values: {}, bytes: 0, checksum: '' }
    await expect(sink.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
  })

  it('is harmless after commit, and during it', async () => {
    const store = await bench.started()
    const sink = await store.create()
    const committing = sink.commit({ meta: {}, trailer: writeContents(sink) })
    await sink.cancel()
    await committing
    await sink.cancel()
    expect(await listedIds(store)).toEqual([1n])
  })

  it('is what close() does to a slice that is being created, and it gives none after that', async () => {
    const store = await bench.started()
    const { meanwhile, open } = await closedWhileCreating(store, store.directory)
    expect(meanwhile).toMatchObject({ code: 'ERR_INVALID_STATE' })
    expect(open).toEqual([])
    expect(readdirSync(store.directory).filter((name) => name.includes('tmp'))).toEqual([])
    await store.start()
    expect((await publish(store)).sliceId).toBe(2n)
  })

  it('is what close() does to unfinished slices', async () => {
    const store = await bench.started()
    const finishing = await store.create()
    const commit = finishing.commit({ meta: {}, trailer: writeContents(finishing) })
    const unfinished = await store.create()
    const trailer = writeContents(unfinished)
    await store.close()
    await store.close()
    await commit
    expect(sliceFiles(store)).toHaveLength(1)
    expect(() => fstatSync(unfinished.fd)).toThrow('EBADF')
    await expect(unfinished.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
  })
})

describe('FileStore ids', () => {
  it('rise, and are not given again after cancel, failure, removal or restart', async () => {
    const store = await bench.started()
    await publish(store)
    await (await store.create()).cancel()
    const failing = await store.create()
    const trailer = { ...writeContents(failing), bytes: 1 }
    await rejection(failing.commit({ meta: {}, trailer }))
    await publish(store)
    await store.remove(4n)
    expect((await publish(store)).sliceId).toBe(5n)
    await store.close()

    const next = await bench.started({ directory: store.directory })
    expect((await publish(next)).sliceId).toBe(6n)
  })

  it('go on after those of broken slices', async () => {
    const store = await bench.started()
    const { location } = await publish(store)
    await store.close()
    renameSync(location, `${location}.broken`)
    await store.start()
    expect((await publish(store)).sliceId).toBe(2n)
  })
})

describe('FileStore remove', () => {
  it('removes one slice', async () => {
    const store = await bench.started()
    for (let count = 0; count < 3; count++) await publish(store)
    await store.remove(2n)
    expect(await listedIds(store)).toEqual([3n, 1n])
    for (const gone of [store.remove(2n), store.open(2n), store.remove(99n)]) {
      await expect(gone).rejects.toMatchObject({ code: 'ERR_SLICE_NOT_FOUND' })
    }
  })
})

describe('a slice of many chunks', () => {
  /** 5 MB: the next of its chunks is read while one is parsed. */
  const LARGE = { rows: 5_000, width: 1_000 }

  it('reads back whole, twice at once too', async () => {
    const store = await bench.started()
    await publish(store, LARGE)
    const source = await store.open(1n)
    const ids = Array.from({ length: LARGE.rows }, (_, i) => BigInt(i + 1))
    expect(await Promise.all([readIds(source), readIds(source)])).toEqual([ids, ids])
    await source.close()
  })

  it('ends with what a handler throws, or because it is closed, and leaves no descriptor', async () => {
    const store = await bench.started()
    await publish(store, LARGE)
    const mine = new Error('mine')
    const row = (): void => {
      throw mine
    }
    const source = await store.open(1n)
    expect(await rejection(source.read({ row }))).toBe(mine)
    const closing: Promise<void>[] = []
    const closed = rejection(source.read({ progress: () => closing.push(source.close()) }))
    expect(await closed).toMatchObject({ code: 'ERR_INVALID_STATE' })
    await Promise.all(closing)
    expect(openBelow(store.directory).filter((path) => path.endsWith('.slice'))).toEqual([])
  })
})

describe('a read that ends early', () => {
  it('ends only once the chunk that it reads ahead is there: the descriptor may be closed then', async () => {
    const store = await bench.started()
    await publish(store, { rows: 5_000, width: 1_000 })
    const source = await store.open(1n)
    const fifo = join(bench.directory(), 'fifo')
    execFileSync('mkfifo', [fifo])
    const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4)
    const opening: Promise<FileHandle>[] = []
    let ended = false
    // Once all of the pool's threads wait for the pipe's other end, the chunk that is asked for next has to wait too.
    const progress = (): void => {
      if (opening.length > 0) throw new Error('mine')
      for (let i = 0; i < threads; i++) opening.push(open(fifo, 'r'))
    }
    const reading = rejection(source.read({ progress })).finally(() => (ended = true))
    while (opening.length === 0) await nextTurn()
    for (let turn = 0; turn < 100; turn++) await nextTurn()
    const endedBefore = ended
    const writing = openSync(fifo, constants.O_RDWR)
    expect((await reading).message).toBe('mine')
    for (const handle of await Promise.all(opening)) await handle.close()
    closeSync(writing)
    await source.close()
    expect(endedBefore).toBe(false)
  })
})

describe('a FileStore that is not started', () => {
  it('lists and reads beside the owner, and creates nothing', async () => {
    const owner = await bench.started()
    await publish(owner, { meta: { position: 3n }, rows: 5 })
    await owner.beginEpoch()
    const before = readdirSync(owner.directory).sort()
    const reader = bench.store({ directory: owner.directory })
    expect(await reader.list()).toEqual(await owner.list())
    expect(reader.epoch).toBe(2n)
    const source = await reader.open(1n)
    expect(await readIds(source)).toHaveLength(5)
    await source.close()
    await reader.close()
    expect(readdirSync(owner.directory).sort()).toEqual(before)
  })

  it('says that the directory is missing', async () => {
    const reader = bench.store()
    await expect(reader.list()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'ENOENT' })
    expect(existsSync(reader.directory)).toBe(false)
  })
})

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { openNewest } from '../../src/store/newest'
import { createExclusive } from '../../src/store/safe-open'
import { describeUnless, isRoot, NOBODY } from '../helpers/store-fixture'
import { StoreBench, listedIds, publish } from '../helpers/store-slices'

const bench = new StoreBench()
afterEach(() => bench.cleanUp())

const UNSAFE = { code: 'ERR_UNSAFE_PATH' }

describe('a FileStore directory', () => {
  it('may not be a symbolic link, with or without a slash behind it', async () => {
    const real = bench.directory()
    const link = join(bench.directory(), 'link')
    symlinkSync(real, link)
    for (const directory of [link, `${link}/`]) {
      await expect(bench.store({ directory }).start()).rejects.toMatchObject({ ...UNSAFE, path: link })
    }
    expect(existsSync(join(real, 'lock'))).toBe(false)
  })

  it('may not be a link to nowhere or a file', async () => {
    const directory = bench.directory()
    symlinkSync(join(directory, 'nowhere'), join(directory, 'link'))
    writeFileSync(join(directory, 'file'), '')
    for (const name of ['link', 'file']) {
      await expect(bench.store({ directory: join(directory, name) }).start()).rejects.toMatchObject(UNSAFE)
    }
  })

  it.each([0o770, 0o702])('may not have the mode %o', async (mode) => {
    const store = bench.store()
    mkdirSync(store.directory)
    chmodSync(store.directory, mode)
    await expect(store.start()).rejects.toMatchObject({ ...UNSAFE, path: store.directory })
    chmodSync(store.directory, 0o755)
    await store.start()
  })

  it('may not be where nothing can be made', async () => {
    const store = bench.store({ directory: join('/proc/self/nowhere', 'data', 'slices') })
    await expect(store.start()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'ENOENT' })
  })

  it('may not have a lock or an epoch that is a symbolic link', async () => {
    for (const name of ['lock', 'epoch']) {
      const store = bench.store()
      const victim = join(bench.directory(), 'victim')
      writeFileSync(victim, 'precious')
      mkdirSync(store.directory, { mode: 0o700 })
      symlinkSync(victim, join(store.directory, name))
      await expect(store.start()).rejects.toMatchObject({ ...UNSAFE, path: join(store.directory, name) })
      expect(readFileSync(victim, 'utf8')).toBe('precious')
    }
  })
})

describe('in the place of a slice', () => {
  it('a symbolic link is neither listed nor opened, even if it points to a good slice', async () => {
    const store = await bench.started()
    const { location } = await publish(store)
    const elsewhere = join(bench.directory(), 'elsewhere')
    renameSync(location, elsewhere)
    symlinkSync(elsewhere, location)
    expect(await store.list()).toEqual([])
    await expect(store.open(1n)).rejects.toMatchObject({ ...UNSAFE, path: location })
    expect(await store.prune()).toEqual([])
  })

  it('a directory, or a FIFO that would block a careless open, is refused', async () => {
    const store = await bench.started()
    for (const make of [mkdirSync, (path: string) => spawnSync('mkfifo', [path])]) {
      const { location, sliceId } = await publish(store)
      await store.remove(sliceId)
      make(location)
      await expect(store.open(sliceId)).rejects.toMatchObject({ ...UNSAFE, path: location })
    }
    expect(await store.list()).toEqual([])
  })

  it('a file that others can write to is refused', async () => {
    const store = await bench.started()
    const { location } = await publish(store)
    chmodSync(location, 0o622)
    await expect(store.open(1n)).rejects.toMatchObject({ ...UNSAFE, path: location })
  })
})

describe('createExclusive', () => {
  it('takes no name that exists, not even a link to nowhere', async () => {
    const directory = bench.directory()
    const [file, link] = [join(directory, 'file'), join(directory, 'link')]
    writeFileSync(file, 'precious')
    symlinkSync(join(directory, 'nowhere'), link)
    for (const path of [file, link]) await expect(createExclusive(path)).rejects.toMatchObject({ code: 'EEXIST' })
    expect(readFileSync(file, 'utf8')).toBe('precious')
    expect(existsSync(join(directory, 'nowhere'))).toBe(false)
  })
})

describeUnless(isRoot ? null : 'needs root to give files away', 'a foreign owner', () => {
  it('of the directory or the lock is refused', async () => {
    const store = bench.store()
    mkdirSync(store.directory, { mode: 0o700 })
    chownSync(store.directory, NOBODY, NOBODY)
    await expect(store.start()).rejects.toMatchObject({ ...UNSAFE, path: store.directory })
    chownSync(store.directory, 0, 0)
    writeFileSync(join(store.directory, 'lock'), '')
    chownSync(join(store.directory, 'lock'), NOBODY, NOBODY)
    await expect(store.start()).rejects.toMatchObject({ ...UNSAFE, path: join(store.directory, 'lock') })
  })

  it('of a slice is refused, and no older slice quietly takes its place', async () => {
    const store = await bench.started()
    await publish(store)
    const { location } = await publish(store)
    lchownSync(location, NOBODY, NOBODY)
    await expect(store.open(2n)).rejects.toMatchObject({ ...UNSAFE, path: location })
    await expect(openNewest(store)).rejects.toMatchObject(UNSAFE)
    expect(await listedIds(store)).toEqual([2n, 1n])
    expect(existsSync(location)).toBe(true)
  })
})

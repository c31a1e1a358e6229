import { spawnSync } from 'node:child_process'
import { chownSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errnoOf } from '../../src/errors'
import { openNewest } from '../../src/store/newest'
import {
  asNobody,
  describeUnless,
  NOBODY,
  reasonAgainstOtherUser,
  runFixture,
  withFileLimit,
} from '../helpers/store-fixture'
import { StoreBench, listedIds, publish, readIds, sliceFiles, writeContents } from '../helpers/store-slices'

const bench = new StoreBench()
afterEach(() => bench.cleanUp())

const mount = (options: string, path: string): boolean =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', `${options},mode=700`, 'tmpfs', path]).status === 0

function reasonAgainstMounting(): string | null {
  const probe = mkdtempSync(join(tmpdir(), 'forksnap-mount-'))
  const mounted = mount('size=64k', probe)
  if (mounted) spawnSync('umount', [probe])
  rmSync(probe, { recursive: true })
  return mounted ? null : 'cannot mount a tmpfs'
}

/** A directory that is a small file system of its own. */
function smallDisk(options: string): string {
  const directory = join(bench.directory(), 'disk')
  mkdirSync(directory, { mode: 0o700 })
  if (!mount(options, directory)) throw new Error(`could not mount ${directory}`)
  bench.onCleanUp(() => void spawnSync('umount', [directory]))
  return directory
}

/** Takes all the room that is left on a disk. */
function fill(directory: string): string {
  const path = join(directory, 'filler')
  const fd = openSync(path, 'w', 0o600)
  try {
    for (;;) writeSync(fd, Buffer.alloc(4096))
  } catch (error) {
    if (errnoOf(error) !== 'ENOSPC') throw error
  } finally {
    closeSync(fd)
  }
  return path
}

describeUnless(reasonAgainstMounting(), 'a full disk', () => {
  it('while the slice is written: nothing of it stays, and the last good slice is the newest', async () => {
    const store = await bench.started({ directory: smallDisk('size=256k') })
    await publish(store)
    const sink = await store.create()
    expect(() => writeContents(sink, { rows: 1000, width: 1000 })).toThrow('ENOSPC')
    await sink.cancel()
    expect(await listedIds(store)).toEqual([1n])
    expect(sliceFiles(store)).toHaveLength(1)
    const source = await openNewest(store)
    expect(await readIds(source!)).toHaveLength(10)
    await source?.close()
    expect((await publish(store)).sliceId).toBe(3n)
  })

  it('when the slice is created: no more inodes', async () => {
    const store = await bench.started({ directory: smallDisk('nr_inodes=3') })
    await publish(store)
    const failed = {
      code: 'ERR_STORE_FAILED',
      errno: 'ENOSPC',
      cause: expect.objectContaining({ code: 'ENOSPC' }) as unknown,
    }
    await expect(store.create()).rejects.toMatchObject(failed)
    await expect(store.beginEpoch()).rejects.toMatchObject(failed)
    expect(await listedIds(store)).toEqual([1n])
  })

  it('when an epoch begins: the old one stands', async () => {
    const store = await bench.started({ directory: smallDisk('size=64k') })
    const filler = fill(store.directory)
    await expect(store.beginEpoch()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'ENOSPC' })
    expect(store.epoch).toBe(1n)
    expect(sliceFiles(store)).toEqual(['filler'])
    rmSync(filler)
    expect(await store.beginEpoch()).toBe(2n)
  })

  it('at the start: the store opens, so that a server can recover and make room', async () => {
    const directory = smallDisk('size=64k')
    const store = await bench.started({ directory })
    await publish(store)
    await store.close()
    fill(directory)
    await store.start()
    expect(statSync(join(directory, 'lock')).size).toBe(0)
    const source = await openNewest(store)
    expect(source?.info.sliceId).toBe(1n)
    await source?.close()
    await store.remove(1n)
  })
})

describe('a limit on the size of files', () => {
  it('ends the slice with EFBIG and spares the one before', () => {
    const directory = join(bench.directory(), 'slices')
    expect(runFixture('file-store-fail', ['write', directory], withFileLimit(64))).toEqual({
      code: 'EFBIG',
      newest: '1',
      files: 1,
      next: '3',
      epoch: '1',
    })
  })
})

describeUnless(reasonAgainstOtherUser(), 'a directory that may not be written to', () => {
  const EACCES = { code: 'ERR_STORE_FAILED', errno: 'EACCES', cause: 'EACCES' }

  function run(what: string, mode: number): unknown {
    const directory = join(bench.directory(), 'slices')
    mkdirSync(directory, { mode })
    chownSync(directory, NOBODY, NOBODY)
    chownSync(join(directory, '..'), NOBODY, NOBODY)
    return runFixture('file-store-fail', [what, directory], asNobody)
  }

  it('fails at the start', () => {
    expect(run('start', 0o500)).toEqual(EACCES)
  })

  it.each([
    ['create', '3', '1'],
    ['commit', '3', '1'],
    ['epoch', '2', '1'],
    ['remove', '2', '1'],
  ])('fails in %s, and the store works again once it may', (what, next, epoch) => {
    expect(run(what, 0o700)).toEqual({ ...EACCES, newest: '1', files: 1, next, epoch })
  })
})

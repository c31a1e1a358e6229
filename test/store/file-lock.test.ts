import { spawn } from 'node:child_process'
import { fstatSync, rmSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { ended, startFixture } from '../helpers/store-fixture'
import { StoreBench, listedIds, publish, rejection, sliceFiles, writeContents } from '../helpers/store-slices'

const bench = new StoreBench()
afterEach(() => bench.cleanUp())

/** This process's descriptor of an open file. */
function descriptorOf(path: string): number {
  for (let fd = 3; fd < 1000; fd++) {
    const stats = fstatOrNull(fd)
    if (stats !== null && stats.ino === statSync(path).ino && stats.dev === statSync(path).dev) return fd
  }
  throw new Error(`${path} is not open`)
}

function fstatOrNull(fd: number): Stats | null {
  try {
    return fstatSync(fd)
  } catch {
    return null
  }
}

describe('the lock of a FileStore', () => {
  it('keeps a second store of the same process out until the first is closed', async () => {
    const first = await bench.started()
    const second = bench.store({ directory: first.directory })
    const error = await rejection(second.start())
    expect(error).toMatchObject({ code: 'ERR_LOCKED', path: first.directory, pid: process.pid })
    expect(error.message).toContain(first.directory)
    await first.close()
    await second.start()
    await publish(second)
    await expect(first.start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
  })

  it('keeps a second process out, leaves its slice alone, and is free after its clean end', async () => {
    const store = bench.store()
    const { child, line } = await startFixture('file-store-hold', [store.directory])
    expect(line).toBe('started')
    const error = await rejection(store.start())
    expect(error).toMatchObject({ code: 'ERR_LOCKED', pid: child.pid })
    expect(error.message).toContain(`process ${child.pid}`)
    expect(sliceFiles(store)).toHaveLength(1)
    child.stdin?.end()
    expect(await ended(child)).toBe(0)
    await store.start()
    expect(sliceFiles(store)).toEqual([])
  })

  it('is free after the holder was killed, and what it left is removed', async () => {
    const store = bench.store()
    const { child } = await startFixture('file-store-hold', [store.directory])
    const end = ended(child)
    child.kill('SIGKILL')
    expect(await end).toBe('SIGKILL')
    expect(sliceFiles(store)).toHaveLength(1)
    await store.start()
    expect(sliceFiles(store)).toEqual([])
    expect((await publish(store)).sliceId).toBeGreaterThan(0n)
  })

  it('is free after close() although another process still has the open file', async () => {
    const first = await bench.started()
    const holder = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', descriptorOf(join(first.directory, 'lock'))] })
    const end = ended(holder)
    try {
      await first.close()
      await bench.started({ directory: first.directory })
    } finally {
      holder.stdin?.end()
    }
    expect(await end).toBe(0)
  })

  it('is lost when its file is removed, even if nobody has made a new one', async () => {
    const store = await bench.started()
    rmSync(join(store.directory, 'lock'))
    await expect(store.create()).rejects.toMatchObject({ code: 'ERR_FENCED' })
  })

  it('is lost with its file: nothing is published or changed any more', async () => {
    const first = await bench.started()
    await publish(first)
    const sink = await first.create()
    const trailer = writeContents(sink)
    rmSync(join(first.directory, 'lock'))
    const second = bench.store({ directory: first.directory })
    await second.start()
    await expect(sink.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_FENCED' })
    for (const change of [first.create(), first.remove(1n), first.prune(), first.beginEpoch()]) {
      await expect(change).rejects.toMatchObject({ code: 'ERR_FENCED' })
    }
    expect(await listedIds(second)).toEqual([1n])
    expect(await listedIds(first)).toEqual([1n])
  })
})

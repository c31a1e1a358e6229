/**
 * An arena's slice and `dd conv=fdatasync` of the same bytes to the same folder, in turn, in a process of its own, then
 * restoring: prints the seconds of each as one line of JSON.
 *
 * The bytes are random, so that no disk can make less of them. dd reads them from a file in /dev/shm. Both write a new
 * file, which is removed and forgotten by the file system before the next one begins; nothing else is dropped from the
 * page cache, and neither reads from the disk.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Arena } from '../../src/arena/arena'
import { runFork } from '../../src/fork'
import { createSliceWriter, fdTarget } from '../../src/slice/writer'
import { FileStore } from '../../src/store/file'
import { checkFileStoreOptions } from '../../src/store/file-options'

export interface DiskSamples {
  readonly bytes: number
  /** Seconds from the first byte to the end of the last sync. */
  readonly slice: readonly number[]
  readonly dd: readonly number[]
  /** Seconds for reading a slice of a FileStore that is in the page cache into an arena. */
  readonly restore: readonly number[]
}

const BUFFER_BYTES = 64 * 2 ** 20
const LIMITS = { quiesceMs: 10_000, stallMs: 0, totalMs: 300_000 }

/** What the child of a snapshot into a FileStore does, with the store's own settings. */
async function sliceSeconds(path: string, buffers: readonly Uint8Array[]): Promise<number> {
  const { writing } = checkFileStoreOptions({ directory: '.' })
  const fd = openSync(path, 'wx')
  try {
    const { value } = await runFork<undefined, number>({
      prepare: () => undefined,
      run() {
        const begun = performance.now()
        const writer = createSliceWriter(fdTarget(fd), { sliceId: 1n, meta: {}, ...writing })
        writer.blob('state', buffers, { giveBack: true })
        writer.finish()
        return (performance.now() - begun) / 1000
      },
      keepFds: [fd],
      limits: LIMITS,
    })
    return value
  } finally {
    closeSync(fd)
  }
}

/** By dd's own clock, which its process's start is no part of. */
function ddSeconds(from: string, to: string): number {
  const { stderr, status } = spawnSync('dd', [`if=${from}`, `of=${to}`, 'bs=1M', 'conv=fdatasync'], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  const seconds = Number(/copied, ([\d.e-]+) s/.exec(stderr)?.[1])
  if (status !== 0 || !(seconds > 0)) throw new Error(`dd failed: ${stderr}`)
  return seconds
}

async function restoreSeconds(folder: string, buffers: readonly Uint8Array[], rounds: number): Promise<number[]> {
  const store = new FileStore({ directory: join(folder, 'slices') })
  await store.start()
  const sink = await store.create()
  const writer = createSliceWriter(fdTarget(sink.fd), { sliceId: sink.sliceId, meta: {}, ...sink.writing })
  writer.blob('state', buffers)
  await sink.commit({ meta: {}, trailer: writer.finish() })
  const source = await store.open(sink.sliceId)
  const arena = new Arena({ bytes: buffers.reduce((sum, { length }) => sum + length, 0) })
  const found: number[] = []
  for (let round = 0; round < rounds; round++) {
    let whole = new ArrayBuffer(0)
    const begun = performance.now()
    await source.read({ pieces: (_, bytes) => arena.receive((buffer) => (whole = buffer)).pieces(bytes) })
    found.push((performance.now() - begun) / 1000)
    arena.free(whole)
  }
  await source.close()
  await store.close()
  return found
}

async function main(directory: string, bytes: number, rounds: number): Promise<DiskSamples> {
  const folder = mkdtempSync(join(directory, 'forksnap-disk-'))
  const memory = mkdtempSync('/dev/shm/forksnap-disk-')
  try {
    const arena = new Arena({ bytes })
    const buffers: Uint8Array[] = []
    const source = openSync(join(memory, 'bytes'), 'w')
    for (let left = bytes; left > 0; left -= BUFFER_BYTES) {
      const buffer = new Uint8Array(arena.alloc(Math.min(left, BUFFER_BYTES)))
      randomFillSync(buffer)
      for (let at = 0; at < buffer.length;) at += writeSync(source, buffer, at)
      buffers.push(buffer)
    }
    closeSync(source)
    const path = join(folder, 'file')
    const forget = (): void => {
      rmSync(path, { force: true })
      const fd = openSync(folder, 'r')
      fsyncSync(fd)
      closeSync(fd)
      execFileSync('sync', ['-f', folder])
    }
    const [slices, copies]: [number[], number[]] = [[], []]
    // The first of each finds a disk that has rested: it is left out.
    for (let round = 0; round <= rounds; round++) {
      forget()
      const slice = await sliceSeconds(path, buffers)
      forget()
      const dd = ddSeconds(join(memory, 'bytes'), path)
      if (round === 0) continue
      slices.push(slice)
      copies.push(dd)
    }
    forget()
    return { bytes, slice: slices, dd: copies, restore: await restoreSeconds(folder, buffers, rounds) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
    rmSync(memory, { recursive: true, force: true })
  }
}

const [directory = '.', bytes, rounds] = process.argv.slice(2)
void main(directory, Number(bytes), Number(rounds)).then((samples) => console.log(JSON.stringify(samples)))

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSliceWriter, fdTarget, nullTarget, type SliceWriterOptions } from '../../src/slice/writer'
import { CODECS, frames, memoryTarget, readSlice, writeSlice } from '../helpers/slice-memory'

const OPTIONS: SliceWriterOptions = { sliceId: 7n, meta: {}, codec: 'none', syncEveryBytes: 0 }
const ID = [['id', 'int8']] as const

describe('what a slice says of itself', () => {
  test('header and trailer', () => {
    const meta = {
      position: 2n ** 70n,
      none: undefined,
      list: [1, 'x', { $bigint: '5' }],
      $own: { $$b: -3n },
      ['__proto__']: 1,
      only: { $bigint: 7 },
    }
    const { bytes, trailer } = writeSlice(
      (slice) => {
        const orders = slice.table('orders', ID)
        orders.row(1n)
        orders.row(2n)
        slice.set('digest', 'old')
        slice.set('digest', { a: [1, null] })
        slice.set('__proto__', 5)
        slice.table('empty', ID)
        slice.blob('book', new Float64Array([1, 2]))
      },
      { sliceId: 2n ** 63n - 1n, meta: meta as never },
    )
    const seen = readSlice(bytes)
    const { none: _none, ...kept } = meta
    expect(seen.header).toEqual({ formatVersion: 1, sliceId: 2n ** 63n - 1n, codec: 'none', meta: kept })
    expect(Object.keys(seen.header?.meta ?? {})).toEqual(['position', 'list', '$own', '__proto__', 'only'])
    expect(seen.trailer).toEqual(trailer)
    expect(Object.keys(trailer.values)).toEqual(['digest', '__proto__'])
    expect(trailer).toMatchObject({
      rows: 2,
      tables: [
        { name: 'orders', rows: 2 },
        { name: 'empty', rows: 0 },
      ],
      blobs: [{ name: 'book', bytes: 16 }],
      bytes: bytes.length,
    })
    expect(trailer.values['digest']).toEqual({ a: [1, null] })
    expect(trailer.checksum).toMatch(/^[0-9a-f]{8}$/)
    expect(seen.ends).toEqual([
      ['orders', 2],
      ['empty', 0],
    ])
    expect(new Float64Array((seen.blobs.get('book') as Uint8Array).buffer as ArrayBuffer)).toEqual(
      new Float64Array([1, 2]),
    )
  })

  test('a constant column comes first in every row of every table', () => {
    const constantColumn = { name: 'slice_id', type: 'int8', value: -(2n ** 63n) } as const
    const { bytes } = writeSlice(
      (slice) => {
        slice.table('a', ID).row(1n)
        slice.table('b', [['x', 'text']]).rows(['p', 'q'], (x) => [x])
        expect(() => slice.table('c', [['slice_id', 'int8']])).toThrow('declared twice')
      },
      { constantColumn },
    )
    const seen = readSlice(bytes)
    const id = constantColumn.value
    expect(seen.columns.get('a')).toEqual([
      ['slice_id', 'int8'],
      ['id', 'int8'],
    ])
    expect(seen.rows).toEqual([
      ['a', [id, 1n]],
      ['b', [id, 'p']],
      ['b', [id, 'q']],
    ])
  })
})

describe('frames', () => {
  test.each(CODECS)('rows are cut into frames between rows, codec %s', (codec) => {
    const progress: number[] = []
    const { bytes } = writeSlice(
      (slice) => {
        const table = slice.table('t', [
          ['id', 'int4'],
          ['text', 'text'],
        ])
        for (let i = 0; i < 20_000; i++) table.row(i, 'some text that compresses well '.repeat(2))
        // Longer than the buffer, with a begun row in front of it that has to move.
        table.row(20_000, 'ä'.repeat(1_000_000))
        table.row(20_001, 'end')
        expect(slice.rows).toBe(20_002)
      },
      { codec, onProgress: (rows, total) => progress.push(rows, total) },
    )
    const rowFrames = frames(bytes).filter((frame) => frame.type === 3)
    expect(rowFrames.length).toBeGreaterThan(5)
    const codecs = rowFrames.map((frame) => CODECS[frame.codec])
    // The last frame is one short row, which no codec can shorten.
    expect(new Set(codecs.slice(0, -1))).toEqual(new Set([codec]))
    expect(codecs[codecs.length - 1]).toBe('none')
    const { rows } = readSlice(bytes, [100_000])
    expect(rows.map(([, [id]]) => id)).toEqual(Array.from({ length: 20_002 }, (_, i) => i))
    expect(rows[20_000][1][1]).toBe('ä'.repeat(1_000_000))
    expect(progress.slice(-2)).toEqual([20_002, bytes.length])
    expect(progress.filter((_, i) => i % 2 === 0)).toEqual(progress.filter((_, i) => i % 2 === 0).sort((a, b) => a - b))
  })

  test('text is the same wherever it is cut into pieces', () => {
    const texts = [16382, 16383, 16384, 16385, 32767].map((length) => `${'x'.repeat(length)}😀é\\${'y'.repeat(20_000)}`)
    const { bytes } = writeSlice((slice) => slice.table('t', [['x', 'text']]).rows(texts, (x) => [x]))
    expect(readSlice(bytes).rows.map(([, [x]]) => x)).toEqual(texts)
  })

  test.each(CODECS)('blobs travel in pieces, codec %s', (codec) => {
    const noise = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 0xff))
    const shared = new SharedArrayBuffer(4)
    new Uint8Array(shared).set([1, 2, 3, 4])
    const { bytes } = writeSlice(
      (slice) => {
        slice.blob('noise', noise)
        slice.blob('none', new ArrayBuffer(0))
        slice.blob('view', new DataView(noise.buffer, noise.byteOffset + 5, 3))
        slice.blob('shared', shared)
        slice.blob('zeros', new Uint8Array(2 * 1024 * 1024))
      },
      { codec },
    )
    const { blobs } = readSlice(bytes, [65_536])
    // Chunks that hold a piece of a blob but not all of it.
    const inLargeChunks = readSlice(bytes, [1_500_000]).blobs
    for (const [name, data] of blobs) expect(Buffer.from(data).equals(inLargeChunks.get(name) as Uint8Array)).toBe(true)
    expect(noise.equals(blobs.get('noise') as Uint8Array)).toBe(true)
    expect(blobs.get('none')).toHaveLength(0)
    expect(blobs.get('view')).toEqual(new Uint8Array(noise.subarray(5, 8)))
    expect(blobs.get('shared')).toEqual(new Uint8Array([1, 2, 3, 4]))
    expect(blobs.get('zeros')?.every((byte) => byte === 0)).toBe(true)
  })
})

describe('rows()', () => {
  test('an error of the items or of toRow passes through and leaves whole rows only', () => {
    const failure = new Error('no more')
    const { bytes } = writeSlice((slice) => {
      const table = slice.table('t', ID)
      const toRow = (id: bigint): [bigint] => {
        if (id === 3n) throw failure
        return [id]
      }
      expect(() => table.rows([1n, 2n, 3n], toRow)).toThrow(failure)
      table.row(4n)
    })
    expect(readSlice(bytes).rows.map(([, [id]]) => id)).toEqual([1n, 2n, 4n])
  })
})

describe('order of calls', () => {
  const invalidState = expect.objectContaining({ code: 'ERR_INVALID_STATE' })

  test('a table is sealed by the next table and by a blob', () => {
    writeSlice((slice) => {
      const a = slice.table('a', ID)
      const b = slice.table('b', ID)
      expect(() => a.row(1n)).toThrow(invalidState)
      expect(() => a.rows([1n], (id) => [id])).toThrow('"a" is sealed')
      b.row(1n)
      slice.blob('x', new Uint8Array(1))
      expect(() => b.row(2n)).toThrow(invalidState)
    })
  })

  test('nothing after finish()', () => {
    const writer = createSliceWriter(nullTarget(), OPTIONS)
    const table = writer.table('t', ID)
    table.row(1n)
    writer.finish()
    expect(() => table.row(2n)).toThrow(invalidState)
    expect(() => writer.table('u', ID)).toThrow(invalidState)
    expect(() => writer.blob('b', new Uint8Array(1))).toThrow(invalidState)
    expect(() => writer.set('k', 1)).toThrow(invalidState)
    expect(() => writer.finish()).toThrow(invalidState)
  })

  test('nothing after the target has failed, even if write() swallowed it', () => {
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })
    let writes = 0
    const target = {
      write: () => {
        if (++writes > 5) throw full
      },
    }
    const writer = createSliceWriter(target, OPTIONS)
    const table = writer.table('t', [['x', 'text']])
    const text = 'x'.repeat(300_000)
    expect(() => [1, 2, 3].forEach(() => table.row(text))).toThrow(full)
    expect(() => table.row(text)).toThrow(invalidState)
    expect(() => writer.finish()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE', cause: full }))
    expect(writes).toBe(6)
  })
})

describe('targets', () => {
  let directory: string
  beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'forksnap-slice-'))))
  afterAll(() => rmSync(directory, { recursive: true }))

  const fill = (fd: number, syncEveryBytes = 1): number => {
    const writer = createSliceWriter(fdTarget(fd), { ...OPTIONS, syncEveryBytes })
    const table = writer.table('t', [['x', 'text']])
    for (let i = 0; i < 50; i++) table.row('x'.repeat(100_000))
    return writer.finish().bytes
  }

  test('a file', () => {
    const path = join(directory, 'slice')
    const fd = openSync(path, 'w')
    const bytes = fill(fd)
    closeSync(fd)
    const written = readFileSync(path)
    expect(written).toHaveLength(bytes)
    expect(readSlice(written).trailer?.rows).toBe(50)
  })

  test('/dev/null cannot be synced, and that is no error', () => {
    const fd = openSync('/dev/null', 'w')
    expect(fill(fd)).toBeGreaterThan(5_000_000)
    closeSync(fd)
  })

  test('a pipe in non-blocking mode that is full most of the time', async () => {
    const [fifo, copy] = [join(directory, 'fifo'), join(directory, 'copy')]
    execFileSync('mkfifo', [fifo])
    // Reads in small pieces into a file, since the writer keeps this process from reading anything itself.
    const reader = spawn('dd', [`if=${fifo}`, `of=${copy}`, 'bs=4096'], { stdio: 'ignore' })
    // Waits for the reader; without one, opening in non-blocking mode would fail.
    const blocking = openSync(fifo, 'w')
    const fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK)
    closeSync(blocking)
    const bytes = fill(fd)
    closeSync(fd)
    await once(reader, 'close')
    const written = readFileSync(copy)
    expect(written).toHaveLength(bytes)
    expect(readSlice(written).trailer?.rows).toBe(50)
  })

  test("the system's error passes through", () => {
    const fd = openSync('/dev/full', 'w')
    expect(() => fill(fd)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    closeSync(fd)
    expect(() => fill(fd)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  test('the sync of a target begins every so many bytes and is completed at the end', () => {
    const memory = memoryTarget()
    const synced: number[] = []
    const ends: number[] = []
    const target = {
      ...memory,
      startSync: () => void synced.push(memory.bytes().length),
      sync: () => void ends.push(memory.bytes().length),
    }
    const writer = createSliceWriter(target, { ...OPTIONS, syncEveryBytes: 600_000 })
    const table = writer.table('t', [['x', 'text']])
    for (let i = 0; i < 20; i++) table.row('x'.repeat(100_000))
    const { bytes } = writer.finish()
    expect(synced.length).toBeGreaterThanOrEqual(3)
    expect(ends).toEqual([bytes])
    ;[...synced, bytes].reduce((before, now) => (expect(now - before).toBeLessThan(1_000_000), now), 0)
  })
})

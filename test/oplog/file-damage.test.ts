import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import * as fc from 'fast-check'
import { isForksnapError } from '../../src/errors'
import type { FileOperationLog } from '../../src/oplog/file'
import { BATCH_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../src/oplog/file-format'
import { judgeTail } from '../../src/oplog/file-scan'
import type { LogStart } from '../../src/oplog/oplog'
import { appendNumbers, LogBench, memoryDirectory, numbersFrom, readIds, segmentsOf } from './log-bench'

const bench = new LogBench(memoryDirectory())
afterEach(() => bench.cleanUp())

const BATCHES = 4
const ENTRIES_PER_BATCH = 2

interface Written {
  readonly bytes: Buffer
  /** Offsets of the batches, and behind them the end of the last one. */
  readonly batches: number[]
  readonly name: string
}

/** The segment of a log with a few batches, as it is when the process is killed, or after `close()`. */
async function written(how: 'killed' | 'closed', fsync: 'always' | 'no' = 'always'): Promise<Written> {
  const log = await bench.started({ fsync })
  const [path = ''] = segmentsOf(log)
  const batches = [SEGMENT_HEADER_BYTES]
  for (let i = 0; i < BATCHES; i++) {
    await appendNumbers(log, ENTRIES_PER_BATCH, 10)
    batches.push(statSync(path).size)
  }
  if (how === 'closed') await log.close()
  return { bytes: readFileSync(path), batches, name: basename(path) }
}

/** A log whose only segment has these bytes. */
function logOf(name: string, bytes: Buffer): FileOperationLog {
  const directory = join(bench.directory(), 'log')
  mkdirSync(directory, { mode: 0o700 })
  writeFileSync(join(directory, name), bytes, { mode: 0o600 })
  return bench.log({ directory })
}

type Outcome = { readonly start: LogStart; readonly ids: number[] } | { readonly code: string; readonly offset: number }

async function outcomeOf(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work()
  } catch (error) {
    if (!isForksnapError(error)) throw error
    return { code: error.code, offset: error.offset ?? -1 }
  }
}

/** What starting and reading give; and reading alone, which must agree. */
async function openedOutcome(log: FileOperationLog): Promise<Outcome> {
  const alone = await outcomeOf(async () => ({ start: { firstId: 0n, lastId: 0n }, ids: await readIds(log) }))
  const outcome = await outcomeOf(async () => ({ start: await log.start(), ids: await readIds(log) }))
  if ('ids' in outcome) expect((alone as { ids?: number[] }).ids).toEqual(outcome.ids)
  else expect(alone).toEqual(outcome)
  await log.close()
  return outcome
}

/** Where the damage of a changed byte is found: at the batch's header, or at the entry that it is in. */
function damagedAt({ bytes, batches }: Written, changed: number): { batch: number; at: number } {
  const batch = batches.findLastIndex((offset) => offset <= changed)
  const begin = batches[batch] ?? 0
  if (changed < begin + BATCH_HEADER_BYTES) return { batch, at: begin }
  let at = begin + BATCH_HEADER_BYTES
  for (;;) {
    const end = at + 8 + bytes.readUInt32LE(at + 4)
    if (changed < end) return { batch, at }
    at = end
  }
}

const corruptAt = (offset: number): Outcome => ({ code: 'ERR_LOG_CORRUPT', offset })

function cutAt(name: string, directory: string, offset: number, size: number, batchesLeft: number): Outcome {
  const last = batchesLeft * ENTRIES_PER_BATCH
  const start = { firstId: last === 0 ? 0n : 1n, lastId: BigInt(last) }
  const cut = { segment: join(directory, name), offset, bytes: size - offset }
  return { start: { ...start, cut }, ids: numbersFrom(1, last) }
}

/** Damages a copy, and looks what comes of it. */
async function damaged(from: Written, bytes: Buffer): Promise<{ outcome: Outcome; directory: string }> {
  const log = logOf(from.name, bytes)
  return { outcome: await openedOutcome(log), directory: log.directory }
}

function withByte(bytes: Buffer, at: number, flip: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ flip
  return copy
}

describe('any byte of a segment changed', () => {
  it('after close: it is damage, reported where it is; only the closing mark itself may be cut', async () => {
    const from = await written('closed')
    const mark = from.batches[BATCHES] ?? 0
    for (let at = 0; at < from.bytes.length; at++) {
      const { outcome, directory } = await damaged(from, withByte(from.bytes, at, at % 2 === 0 ? 0x01 : 0xff))
      if (at < SEGMENT_HEADER_BYTES) expect([at, outcome]).toEqual([at, corruptAt(0)])
      else if (at < mark) expect([at, outcome]).toEqual([at, corruptAt(damagedAt(from, at).at)])
      else expect([at, outcome]).toEqual([at, cutAt(from.name, directory, mark, from.bytes.length, BATCHES)])
    }
  })

  it('after a kill: the same, but the last batch, of which nothing says that it was durable, is cut', async () => {
    const from = await written('killed')
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: SEGMENT_HEADER_BYTES, max: from.bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const { outcome, directory } = await damaged(from, withByte(from.bytes, at, flip))
          const { batch, at: found } = damagedAt(from, at)
          const begin = from.batches[batch] ?? 0
          const last = batch === BATCHES - 1
          expect(outcome).toEqual(
            last ? cutAt(from.name, directory, begin, from.bytes.length, batch) : corruptAt(found),
          )
        },
      ),
      { numRuns: 300 },
    )
  })

  it('that was never synced: a torn tail from there on, even if good batches follow', async () => {
    const from = await written('killed', 'no')
    for (const batch of [0, 1, 2, 3]) {
      const begin = from.batches[batch] ?? 0
      const { outcome, directory } = await damaged(from, withByte(from.bytes, begin + BATCH_HEADER_BYTES + 5, 0xff))
      expect(outcome).toEqual(cutAt(from.name, directory, begin, from.bytes.length, batch))
    }
  })
})

describe('a segment that ends too early', () => {
  it('at any length: what is left of the last batch is cut, and the log goes on', async () => {
    const from = await written('killed')
    for (let length = SEGMENT_HEADER_BYTES; length < from.bytes.length; length++) {
      const { outcome, directory } = await damaged(from, from.bytes.subarray(0, length))
      const batch = from.batches.findLastIndex((offset) => offset <= length)
      const begin = from.batches[batch] ?? 0
      const lastId = BigInt(batch * ENTRIES_PER_BATCH)
      const clean = { start: { firstId: lastId === 0n ? 0n : 1n, lastId }, ids: numbersFrom(1, Number(lastId)) }
      expect(outcome).toEqual(begin === length ? clean : cutAt(from.name, directory, begin, length, batch))

      if (length % 5 !== 0) continue
      const log = await bench.started({ directory })
      await appendNumbers(log, 2)
      await log.close()
      expect(await readIds(log)).toEqual(numbersFrom(1, Number(lastId) + 2))
    }
  })

  it.each([0, 1, SEGMENT_HEADER_BYTES - 1])('within its header, at %i bytes: it is damage', async (length) => {
    const from = await written('killed')
    expect((await damaged(from, from.bytes.subarray(0, length))).outcome).toEqual(corruptAt(0))
  })
})

describe('a tail that is none of ours', () => {
  it.each([
    ['zeros', () => Buffer.alloc(5000)],
    ['an earlier batch', ({ bytes, batches }: Written) => bytes.subarray(batches[0], batches[1])],
    ['a piece of an earlier batch', ({ bytes, batches }: Written) => bytes.subarray((batches[1] ?? 0) + 3, batches[2])],
  ])('%s is cut', async (_what, tail) => {
    const from = await written('killed')
    const end = from.bytes.length
    const bytes = Buffer.concat([from.bytes, tail(from)])
    const { outcome, directory } = await damaged(from, bytes)
    expect(outcome).toEqual(cutAt(from.name, directory, end, bytes.length, BATCHES))
    // What stayed there could be taken for the continuation of something later. The closing mark follows.
    expect(statSync(join(directory, from.name)).size).toBe(end + BATCH_HEADER_BYTES)
  })

  it('nor is a batch of another segment taken for one', async () => {
    const from = await written('killed')
    const other = await written('killed')
    const half = from.batches[2] ?? 0
    const bytes = Buffer.concat([from.bytes.subarray(0, half), other.bytes.subarray(half)])
    const { outcome, directory } = await damaged(from, bytes)
    expect(outcome).toEqual(cutAt(from.name, directory, half, bytes.length, 2))
  })
})

describe('a log of several segments', () => {
  async function several(): Promise<{ log: FileOperationLog; paths: string[] }> {
    const log = await bench.started({ segmentBytes: 4096 })
    while (segmentsOf(log).length < 4) await appendNumbers(log, 10, 100)
    await appendNumbers(log, 10, 100)
    await log.close()
    return { log: bench.log({ directory: log.directory }), paths: segmentsOf(log) }
  }

  it('with damage in an older one reads up to it and says where it is', async () => {
    const { log, paths } = await several()
    const [, second = ''] = paths
    const bytes = readFileSync(second)
    const at = bytes.lastIndexOf('\xffFSB', undefined, 'latin1')
    writeFileSync(second, withByte(bytes, at + BATCH_HEADER_BYTES + 40, 0x04))
    await log.start()
    const ids: number[] = []
    const reading = (async () => {
      for await (const batch of log.read(0n)) ids.push(...batch.map(({ id }) => Number(id)))
    })()
    const place = { path: second, offset: at + BATCH_HEADER_BYTES }
    await expect(reading).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', ...place })
    expect(ids).toEqual(numbersFrom(1, ids.length))
    expect(ids.length).toBeGreaterThan(10)
  })

  it('with an older one cut short is refused, within a batch and between two', async () => {
    const { log, paths } = await several()
    const [, second = ''] = paths
    const at = readFileSync(second).lastIndexOf('\xffFSB', undefined, 'latin1')
    truncateSync(second, statSync(second).size - 1)
    await expect(readIds(log)).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', path: second })
    truncateSync(second, at)
    await expect(readIds(log)).rejects.toMatchObject({ code: 'ERR_LOG_GAP', path: second })
  })

  it.each([1, 2])('with number %i missing does not start and is not read', async (missing) => {
    const { log, paths } = await several()
    rmSync(paths[missing] ?? '')
    await expect(log.start()).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
    await expect(readIds(log)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
  })

  it('with the oldest missing starts, and has a gap for those who need it', async () => {
    const { log, paths } = await several()
    rmSync(paths[0] ?? '')
    const { firstId } = await log.start()
    expect(firstId).toBeGreaterThan(1n)
    await expect(readIds(log)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
    expect((await readIds(log, firstId - 1n))[0]).toBe(Number(firstId))
  })

  it('with a segment under another name is refused', async () => {
    const { log, paths } = await several()
    copyFileSync(paths[1] ?? '', paths[3] ?? '')
    await expect(log.start()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', path: paths[3], offset: 0 })
  })

  it('cuts no segment but the last', async () => {
    const { log, paths } = await several()
    appendFileSync(paths[1] ?? '', 'torn')
    const size = statSync(paths[1] ?? '').size
    await log.start()
    await expect(readIds(log)).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', path: paths[1], offset: size - 4 })
    expect(statSync(paths[1] ?? '').size).toBe(size)
  })
})

describe('judgeTail', () => {
  it.each([
    [{ soundEnd: 100, size: 100, durableOffset: 60 }, 'clean'],
    [{ soundEnd: 100, size: 120, durableOffset: 60 }, 'torn tail'],
    [{ soundEnd: 100, size: 120, durableOffset: 100 }, 'torn tail'],
    [{ soundEnd: 100, size: 120, durableOffset: 101 }, 'corrupt'],
  ])('%j is %s', (facts, verdict) => {
    expect(judgeTail(facts)).toBe(verdict)
  })
})

import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { FileOperationLog } from '../../src/oplog/file'
import { appendNumbers, LogBench, numbersFrom, readIds, segmentsOf } from './log-bench'

const bench = new LogBench()
afterEach(() => bench.cleanUp())

/** First ids of the segments, from their names. */
function firstIds(log: FileOperationLog): number[] {
  return segmentsOf(log).map((path) => Number(/-i0*(\d+)\.oplog$/.exec(path)?.[1]))
}

/** Five segments: 1 to 40, and so on; the fifth holds one entry. */
async function fiveSegments(): Promise<FileOperationLog> {
  const log = await bench.started({ segmentBytes: 4096 })
  for (let i = 0; i < 4; i++) await appendNumbers(log, 40, 100)
  await appendNumbers(log, 1)
  expect(firstIds(log)).toEqual([1, 41, 81, 121, 161])
  return log
}

describe('segments', () => {
  it('follow one another when they are full, and reading and a restart go across them', async () => {
    const log = await fiveSegments()
    expect(await readIds(log)).toEqual(numbersFrom(1, 161))
    expect(await readIds(log, 80n)).toEqual(numbersFrom(81, 161))
    await log.close()
    const again = await bench.started({ directory: log.directory, segmentBytes: 4096 })
    expect(await again.start()).toEqual({ firstId: 1n, lastId: 161n })
    await appendNumbers(again, 1)
    expect(firstIds(again)).toEqual([1, 41, 81, 121, 161])
  })

  it.each([
    [0n, [1, 41, 81, 121, 161]],
    [39n, [1, 41, 81, 121, 161]],
    [40n, [41, 81, 121, 161]],
    [100n, [81, 121, 161]],
    [1000n, [161]],
  ])('up to %s may go: whole ones behind it do', async (position, left) => {
    const log = await fiveSegments()
    await log.prune(position)
    expect(firstIds(log)).toEqual(left)
    const first = left[0] ?? 0
    expect(await readIds(log, BigInt(first - 1))).toEqual(numbersFrom(first, 161))
    if (first > 1) await expect(readIds(log, BigInt(first - 2))).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
    await log.close()
    const again = await bench.started({ directory: log.directory })
    expect(await again.start()).toEqual({ firstId: BigInt(first), lastId: 161n })
  })

  it('leave with their entries a reader that was too slow with a gap, not with wrong entries', async () => {
    const log = await fiveSegments()
    const reading = log.read(0n)[Symbol.asyncIterator]()
    expect((await reading.next()).value?.[0]?.id).toBe(1n)
    await log.prune(160n)
    await expect(reading.next().then(() => reading.next())).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
  })
})

describe('reset', () => {
  it('forgets every entry and goes on after the position, also after a restart', async () => {
    const log = await fiveSegments()
    await log.reset(1000n)
    expect([log.lastId, log.durableId]).toEqual([1000n, 1000n])
    expect(await readIds(log, 1000n)).toEqual([])
    await expect(readIds(log)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
    await appendNumbers(log, 2)
    await log.reset()
    expect(log.lastId).toBe(0n)
    await log.close()
    const again = await bench.started({ directory: log.directory })
    expect(await again.start()).toEqual({ firstId: 0n, lastId: 0n })
    await appendNumbers(again, 3)
    expect(await readIds(again)).toEqual([1, 2, 3])
    expect(firstIds(again)).toEqual([1])
  })

  it('makes durable what came before, and takes nothing while it runs', async () => {
    const log = await bench.started()
    const { durable } = log.append({ method: 'add', params: 1 })
    const resetting = log.reset(7n)
    await new Promise(setImmediate)
    expect(() => log.append({ method: 'add', params: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_STATE' }),
    )
    await durable
    await resetting
    expect(log.append({ method: 'add', params: 1 }).id).toBe(8n)
  })

  it('counts segments of the newest epoch only, and the next start removes the others', async () => {
    const log = await bench.started()
    await appendNumbers(log, 5)
    const [old = ''] = segmentsOf(log)
    await log.reset(2n)
    await appendNumbers(log, 1)
    await log.close()
    const left = join(log.directory, basename(old))
    const stray = join(log.directory, 'tmp-oplog-0123456789abcdef')
    writeFileSync(left, 'whatever', { mode: 0o600 })
    writeFileSync(stray, 'half', { mode: 0o600 })
    expect(await readIds(bench.log({ directory: log.directory }), 2n)).toEqual([3])
    const again = await bench.started({ directory: log.directory })
    expect(await again.start()).toEqual({ firstId: 3n, lastId: 3n })
    expect(segmentsOf(again)).toHaveLength(1)
  })
})

describe('the bound on entries that wait', () => {
  it.each([{ maxPendingEntries: 10 }, { maxPendingBytes: 1250 }])(
    '%j refuses the eleventh, and ready() waits',
    async (options) => {
      const log = await bench.started(options)
      const operation = { method: 'add', params: 'x'.repeat(103) }
      const all = Array.from({ length: 10 }, () => log.append(operation).durable)
      expect(() => log.append(operation)).toThrow(expect.objectContaining({ code: 'ERR_LOG_FULL' }))
      expect(log.lastId).toBe(10n)
      const waited = log.ready().then(() => log.append(operation).durable)
      await Promise.all(all)
      await waited
      expect(await readIds(log)).toEqual(numbersFrom(1, 11))
    },
  )

  it('holds for many who wait for ready() each time', async () => {
    const log = await bench.started({ maxPendingEntries: 20 })
    let highest = 0
    const client = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        await log.ready()
        const { id, durable } = log.append({ method: 'add', params: i })
        highest = Math.max(highest, Number(id - log.durableId))
        await durable
      }
    }
    await Promise.all(Array.from({ length: 50 }, client))
    expect(highest).toBeLessThanOrEqual(20)
    expect(await readIds(log)).toEqual(numbersFrom(1, 1000))
  })
})

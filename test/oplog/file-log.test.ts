import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { FileOperationLog } from '../../src/oplog/file'
import type { NewOperation } from '../../src/oplog/oplog'
import { appendNumbers, LogBench, numbersFrom, readAll, readIds, segmentsOf } from './log-bench'

const bench = new LogBench()
afterEach(() => bench.cleanUp())

describe('FileOperationLog', () => {
  it('gives ids at once and everything back after a restart', async () => {
    const log = await bench.started()
    const operations: NewOperation[] = [
      { method: 'order_put', params: { market: 'ETH_USDT', price: '12.50', tags: ['a', null, true, 1.5] }, time: 17 },
      { method: 'größe', params: 'ü€😀\0', time: -1 },
      { method: 'x'.repeat(255), params: null },
    ]
    const appended = operations.map((operation) => log.append(operation))
    expect(appended.map(({ id }) => id)).toEqual([1n, 2n, 3n])
    expect(log.lastId).toBe(3n)
    expect(log.durableId).toBe(0n)
    await Promise.all(appended.map(({ durable }) => durable))
    expect(log.durableId).toBe(3n)
    await log.close()

    const again = bench.log({ directory: log.directory })
    expect(await again.start()).toEqual({ firstId: 1n, lastId: 3n })
    const expected = operations.map((operation, i) => ({ id: BigInt(i + 1), time: appended[i]?.time, ...operation }))
    expect(await readAll(again)).toEqual(expected)
    expect(again.append({ method: 'next', params: 1 }).id).toBe(4n)
  })

  it('is empty at first', async () => {
    const log = bench.log()
    expect(await log.start()).toEqual({ firstId: 0n, lastId: 0n })
    expect(await log.start()).toEqual({ firstId: 0n, lastId: 0n })
    expect(await readAll(log)).toEqual([])
    await log.close()
    await log.close()
    expect(await bench.log({ directory: log.directory }).start()).toEqual({ firstId: 0n, lastId: 0n })
  })

  it.each(['always', 'everysec', 'no'] as const)(
    'keeps order and ids with fsync %s, and sync() forces it',
    async (fsync) => {
      const log = await bench.started({ fsync })
      for (let round = 0; round < 5; round++) await appendNumbers(log, 100)
      const last = log.append({ method: 'add', params: [501] })
      await log.sync(last.id)
      expect(log.durableId).toBe(501n)
      await log.sync()
      expect(await readIds(log)).toEqual(numbersFrom(1, 501))
    },
  )

  it('everysec syncs by itself', async () => {
    const log = await bench.started({ fsync: 'everysec' })
    await appendNumbers(log, 1)
    while (log.durableId < 1n) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(log.durableId).toBe(1n)
  })

  it('no resolves without a sync', async () => {
    const log = await bench.started({ fsync: 'no' })
    await appendNumbers(log, 10)
    expect(log.durableId).toBe(0n)
    expect(await readIds(log)).toEqual(numbersFrom(1, 10))
  })

  it('keeps entries larger than a batch, and small ones beside them, in order', async () => {
    const log = await bench.started({ segmentBytes: 1_000_000 })
    const widths = [10, 300_000, 10, 250_000, 250_000, 2_000_000, 0]
    const all = widths.map((width) => log.append({ method: 'add', params: '€'.repeat(width) }))
    await Promise.all(all.map(({ durable }) => durable))
    expect((await readAll(log)).map(({ params }) => (params as string).length)).toEqual(widths)
    await log.close()
    const again = bench.log({ directory: log.directory })
    expect(await again.start()).toEqual({ firstId: 1n, lastId: 7n })
    expect((await readAll(again, 5n)).map(({ params }) => (params as string).length)).toEqual(widths.slice(5))
  })

  it('reads from any position, and none after the end', async () => {
    const log = await bench.started({ segmentBytes: 4096 })
    for (let round = 0; round < 10; round++) await appendNumbers(log, 10, 100)
    expect(segmentsOf(log).length).toBeGreaterThan(2)
    for (let position = 0; position <= 100; position++) {
      expect(await readIds(log, BigInt(position))).toEqual(numbersFrom(position + 1, 100))
    }
    await expect(readIds(log, 101n)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
    await expect(readIds(bench.log({ directory: log.directory }), 101n)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
    await expect(readIds(log, -1n)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  it('is read while it is appended to, by its owner and by others', async () => {
    const log = await bench.started({ segmentBytes: 8192 })
    const other = new FileOperationLog({ directory: log.directory })
    let appending = true
    const writing = (async () => {
      for (let round = 0; round < 60; round++) await appendNumbers(log, 30, 50)
      appending = false
    })()
    const last: number[] = []
    while (appending) {
      for (const reader of [log, other]) {
        const ids = await readIds(reader)
        expect(ids).toEqual(numbersFrom(1, ids.length))
        last.push(ids.length)
      }
    }
    await writing
    expect(last.length).toBeGreaterThan(4)
    expect(await readIds(other)).toEqual(numbersFrom(1, 1800))
  })

  it('reads without a lock, and not at all where there is no log', async () => {
    const log = await bench.started()
    await appendNumbers(log, 3)
    await log.close()
    const reader = bench.log({ directory: log.directory })
    expect(await readIds(reader, 1n)).toEqual([2, 3])
    rmSync(log.directory, { recursive: true })
    await expect(readIds(reader)).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', errno: 'ENOENT' })
    mkdirSync(log.directory, { mode: 0o700 })
    expect(await readIds(reader)).toEqual([])
    await expect(readIds(reader, 1n)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
  })

  it('writes files 0600 in a directory 0700 and follows no symbolic link', async () => {
    const log = await bench.started()
    await appendNumbers(log, 1)
    expect(statSync(log.directory).mode & 0o777).toBe(0o700)
    const [segment = ''] = segmentsOf(log)
    expect(statSync(segment).mode & 0o777).toBe(0o600)
    await log.close()
    renameSync(segment, `${segment}.moved`)
    symlinkSync(`${segment}.moved`, segment)
    const again = bench.log({ directory: log.directory })
    await expect(again.start()).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' })
    await expect(readIds(again)).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' })
    const link = join(bench.directory(), 'link')
    symlinkSync(log.directory, link)
    await expect(bench.log({ directory: link }).start()).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' })
  })

  it('keeps a second log out until it is closed', async () => {
    const log = await bench.started()
    const second = bench.log({ directory: log.directory })
    await expect(second.start()).rejects.toMatchObject({ code: 'ERR_LOCKED', path: log.directory, pid: process.pid })
    await log.close()
    await second.start()
    await appendNumbers(second, 1)
  })

  it('refuses what does not fit its state', async () => {
    const log = bench.log()
    const operation = { method: 'add', params: 1 }
    const invalidState = { code: 'ERR_INVALID_STATE' }
    const codeOf = (call: () => unknown): unknown => {
      try {
        return call()
      } catch (error) {
        return (error as { code: unknown }).code
      }
    }
    expect(codeOf(() => log.append(operation))).toBe(invalidState.code)
    await expect(log.sync()).rejects.toMatchObject(invalidState)
    await expect(log.prune(1n)).rejects.toMatchObject(invalidState)
    await expect(log.ready()).rejects.toMatchObject(invalidState)
    await log.start()
    expect(codeOf(() => log.append({ method: '', params: 1 }))).toBe('ERR_INVALID_VALUE')
    expect(codeOf(() => log.append({ method: 'a', params: NaN }))).toBe('ERR_INVALID_VALUE')
    await expect(log.sync(1n)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    const { durable } = log.append(operation)
    await log.close()
    await durable
    expect(codeOf(() => log.append(operation))).toBe(invalidState.code)
    await expect(log.start()).rejects.toMatchObject(invalidState)
    expect(await readIds(log)).toEqual([1])
  })

  it('notices that its lock file was removed', async () => {
    const log = await bench.started({ segmentBytes: 4096 })
    rmSync(join(log.directory, 'lock'))
    await expect(log.prune(0n)).rejects.toMatchObject({ code: 'ERR_FENCED' })
    await appendNumbers(log, 100, 100)
    await expect(appendNumbers(log, 100, 100)).rejects.toMatchObject({ code: 'ERR_FENCED' })
  })

  it.each([
    [{ directory: '' }],
    [{ fsync: 'sometimes' }],
    [{ segmentBytes: 10 }],
    [{ maxPendingEntries: 0 }],
    [{ maxPendingBytes: 1.5 }],
    [{ segmentbytes: 5000 }],
  ])('refuses the options %j', (wrong) => {
    const options = { directory: 'log', ...wrong } as ConstructorParameters<typeof FileOperationLog>[0]
    expect(() => new FileOperationLog(options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })

  it('writes one batch for what was appended together', async () => {
    const log = await bench.started()
    await appendNumbers(log, 500)
    const [segment = ''] = segmentsOf(log)
    expect(readFileSync(segment).toString('latin1').split('\xffFSB')).toHaveLength(2)
  })
})

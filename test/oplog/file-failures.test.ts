import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isForksnapError } from '../../src/errors'
import { describeUnless, ended, runFixture, startFixture, withFileLimit } from '../helpers/store-fixture'
import { LogBench, numbersFrom, readIds } from './log-bench'

const bench = new LogBench()
afterEach(() => bench.cleanUp())

const mount = (path: string): boolean =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=700', 'tmpfs', path]).status === 0

function reasonAgainstMounting(): string | null {
  const probe = mkdtempSync(join(tmpdir(), 'forksnap-mount-'))
  const mounted = mount(probe)
  if (mounted) spawnSync('umount', [probe])
  rmSync(probe, { recursive: true })
  return mounted ? null : 'cannot mount a tmpfs'
}

describeUnless(reasonAgainstMounting(), 'a full disk', () => {
  it.each(['always', 'everysec'] as const)(
    'with %s: everyone who waits is told, and what was acknowledged is there',
    async (fsync) => {
      const directory = join(bench.directory(), 'disk')
      mkdirSync(directory, { mode: 0o700 })
      if (!mount(directory)) throw new Error(`could not mount ${directory}`)
      bench.onCleanUp(() => void spawnSync('umount', [directory]))
      const log = await bench.started({ directory: join(directory, 'log'), fsync })
      const acknowledged: number[] = []
      const told = new Set<string>()
      const client = async (): Promise<void> => {
        for (;;) {
          const { id, durable } = log.append({ method: 'add', params: 'x'.repeat(700) })
          await durable
          acknowledged.push(Number(id))
        }
      }
      const tell = (error: unknown): void => {
        told.add(isForksnapError(error) ? `${error.code} ${error.errno}` : String(error))
      }
      await Promise.all(Array.from({ length: 10 }, () => client().catch(tell)))
      expect([...told]).toEqual(['ERR_LOG_FAILED ENOSPC'])
      expect(log.failure).toMatchObject({ code: 'ERR_LOG_FAILED', errno: 'ENOSPC' })
      expect(acknowledged.length).toBeGreaterThan(100)
      await expect(log.close()).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })

      const last = acknowledged.length
      expect(acknowledged.sort((a, b) => a - b)).toEqual(numbersFrom(1, last))
      const again = await bench.started({ directory: log.directory })
      expect(await again.start()).toEqual({ firstId: 1n, lastId: BigInt(last) })
      expect(await readIds(again)).toEqual(numbersFrom(1, last))
    },
  )
})

describe('a limit on the size of files', () => {
  it('ends the log with EFBIG; a write that fitted in part leaves nothing', () => {
    const directory = join(bench.directory(), 'log')
    const FAILED = 'ERR_LOG_FAILED EFBIG'
    const result = runFixture('oplog-run', ['fill', directory], withFileLimit(64)) as { acknowledged: number }
    expect(result.acknowledged).toBeGreaterThan(20)
    const said = { append: FAILED, ready: FAILED, sync: FAILED, close: FAILED, failure: FAILED }
    expect(result).toEqual({
      ...said,
      acknowledged: result.acknowledged,
      last: FAILED,
      lastId: result.acknowledged,
      cut: false,
    })
  })
})

describe('another process', () => {
  it('is kept out while the owner lives, and not after it was killed; it may read at any time', async () => {
    const log = bench.log()
    const { child, line } = await startFixture('oplog-run', ['hold', log.directory])
    expect(line).toBe('holding')
    await expect(log.start()).rejects.toMatchObject({ code: 'ERR_LOCKED', pid: child.pid })
    expect(await readIds(log)).toEqual([1])
    const end = ended(child)
    child.kill('SIGKILL')
    expect(await end).toBe('SIGKILL')
    expect(await log.start()).toEqual({ firstId: 1n, lastId: 1n })
  })
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeUnless, reasonAgainstTracing, runFixture } from '../helpers/store-fixture'
import { LogBench } from './log-bench'

const bench = new LogBench()
afterEach(() => bench.cleanUp())

interface Run {
  readonly result: unknown
  /** Names of the calls on the log's files, with what they were called for. */
  readonly calls: string[]
}

/**
 * Runs a scenario of the fixture under a trace, with one call failing if `inject` says so. One thread serves all
 * asynchronous file calls, so that they can be counted.
 */
function run(scenario: string, fsync: string, inject?: string): Run {
  const top = bench.directory()
  const directory = join(top, 'log')
  const output = join(top, 'trace')
  const calls = 'trace=fsync,fdatasync,rename,unlink,pwrite64,pwritev,ftruncate'
  const fault = inject === undefined ? [] : ['-e', `inject=${inject}`]
  const strace = ['strace', '-f', '-y', '-s', '0', '-o', output, '-e', calls, ...fault]
  const result = runFixture(
    'oplog-run',
    [scenario, directory, fsync],
    ['env', 'UV_THREADPOOL_SIZE=1', 'UV_USE_IO_URING=0', ...strace],
  )
  const lines = readFileSync(output, 'utf8').split('\n')
  return { result, calls: lines.filter((line) => line.includes(directory)).flatMap((line) => toCall(line, directory)) }
}

/** The lock's own file is left out. */
function toCall(line: string, directory: string): string[] {
  const [, name = '', args = '', errno] = /^\d+\s+(\w+)\((.*)\)\s+= (?:\d+|-1 (\w+))/.exec(line) ?? []
  const files = [...args.matchAll(/["<](\/[^">]*)[">]/g)].map(([, path = '']) => shortName(path, directory))
  if (files.includes('lock')) return []
  const call = name === 'pwrite64' || name === 'pwritev' ? 'write' : name
  return [[call, ...files, ...(errno === undefined ? [] : [errno])].join(' ')]
}

function shortName(path: string, directory: string): string {
  if (path === directory) return 'directory'
  return path
    .slice(directory.length + 1)
    .replace(/^e0*(\d+)-i0*(\d+)\.oplog$/, '$1-$2')
    .replace(/^tmp-oplog-[0-9a-f]+$/, 'temp')
}

const begin = (segment: string): string[] => [
  'write temp',
  'fdatasync temp',
  `rename temp ${segment}`,
  'fsync directory',
]
const group = ['write 1-1', 'fdatasync 1-1']
const mark = 'write 1-1'

describeUnless(reasonAgainstTracing(), 'group commit', () => {
  it('with always: one write and one fdatasync for all that was appended together', () => {
    const { result, calls } = run('together', 'always')
    expect(result).toEqual({ durable: 3000 })
    expect(calls).toEqual([...begin('1-1'), ...group, ...group, ...group])
  })

  it('all that arrived while one ran shares the next', () => {
    const { result, calls } = run('meanwhile', 'always')
    expect(result).toEqual({ durable: 501 })
    expect(calls).toEqual([...begin('1-1'), ...group, ...group])
  })

  it('with no: no fdatasync at all', () => {
    expect(run('together', 'no').calls).toEqual([...begin('1-1'), 'write 1-1', 'write 1-1', 'write 1-1'])
  })
})

describeUnless(reasonAgainstTracing(), 'what is synced, and in which order', () => {
  it.each(['always', 'no'])(
    'with %s: a segment before the next one begins, its name before it is written to',
    (fsync) => {
      const { calls } = run('life', fsync)
      const full = (segment: string): string[] => [`write ${segment}`, `fdatasync ${segment}`]
      expect(calls).toEqual([
        ...begin('1-1'),
        ...full('1-1'),
        ...begin('1-61'),
        ...full('1-61'),
        ...begin('1-121'),
        ...(fsync === 'always' ? full('1-121') : ['write 1-121']),
        'unlink 1-1',
        'fsync directory',
        ...(fsync === 'always' ? [] : ['fdatasync 1-121']),
        ...begin('2-501'),
        'write 1-121',
        'unlink 1-61',
        'unlink 1-121',
        'write 2-501',
        'fdatasync 2-501',
        'write 2-501',
      ])
    },
  )
})

describeUnless(reasonAgainstTracing(), 'a failure is final', () => {
  const FAILED = 'ERR_LOG_FAILED EIO'
  const said = (name: string) => ({ append: name, ready: name, sync: name, close: name, failure: name })

  it('of fdatasync: never tried again, all who wait are told, nothing of it comes back', () => {
    const { result, calls } = run('fail', 'always', 'fdatasync:error=EIO:when=3')
    expect(result).toEqual({ outcomes: ['ok', FAILED, FAILED], ...said(FAILED), lastId: 10, cut: false })
    const end = ['write 1-1', 'fdatasync 1-1 EIO', 'ftruncate 1-1', 'write 1-1', 'fsync 1-1', 'fsync directory', mark]
    expect(calls).toEqual([...begin('1-1'), ...group, ...end])
  })

  it('of a write: the same', () => {
    const { result, calls } = run('fail', 'always', 'pwrite64:error=ENOSPC:when=4')
    const ENOSPC = 'ERR_LOG_FAILED ENOSPC'
    expect(result).toEqual({ outcomes: ['ok', ENOSPC, ENOSPC], ...said(ENOSPC), lastId: 10, cut: false })
    const end = ['write 1-1 ENOSPC', 'ftruncate 1-1', 'write 1-1', 'fsync 1-1', 'fsync directory', mark]
    expect(calls).toEqual([...begin('1-1'), ...group, ...end])
  })

  it('of the background sync: what was acknowledged as written stays', () => {
    const { result } = run('background', 'everysec', 'fdatasync:error=EIO:when=2')
    expect(result).toEqual({ outcomes: ['ok'], ...said(FAILED), lastId: 10, cut: false })
  })

  it('of a sync while the log begins: it does not start', () => {
    expect(() => run('together', 'always', 'fsync:error=EIO:when=1')).toThrow('ERR_STORE_FAILED')
  })
})

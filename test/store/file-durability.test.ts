import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeUnless, reasonAgainstTracing, runFixture, traced } from '../helpers/store-fixture'
import { StoreBench } from '../helpers/store-slices'

const bench = new StoreBench()
afterEach(() => bench.cleanUp())

interface Run {
  readonly result: unknown
  /** The calls on the directory's files, with numbers and random parts of names left out. */
  readonly calls: string[]
}

/** Runs a scenario of the fixture on an empty directory under a trace. */
function run(what: string, inject?: string): Run {
  const top = bench.directory()
  const directory = join(top, 'slices')
  mkdirSync(directory, { mode: 0o700 })
  const output = join(top, 'trace')
  const result = runFixture('file-store-fail', [what, directory], traced(output, inject))
  const calls = readFileSync(output, 'utf8')
    .split('\n')
    .filter((line) => line.includes(directory))
    .map((line) => toCall(line, directory))
  return { result, calls }
}

function toCall(line: string, directory: string): string {
  const call = /^\d+\s+(\w+)\((.*)\)\s+= (?:0|-1 (\w+))/.exec(line)
  if (call === null) throw new Error(`not understood: ${line}`)
  const [, name, args = '', errno] = call
  const files = [...args.matchAll(/["<](\/[^">]*)[">]/g)].map(([, path = '']) => shortName(path, directory))
  return [name, ...files, ...(errno === undefined ? [] : [errno])].join(' ')
}

function shortName(path: string, directory: string): string {
  if (path === directory) return 'directory'
  return path
    .slice(directory.length + 1)
    .replace(/^e\d+-p\d+-i0*(\d+)\.slice$/, 'slice-$1')
    .replace(/^tmp-slice-0*(\d+)-[0-9a-f]+$/, 'temp-$1')
    .replace(/^tmp-epoch-[0-9a-f]+$/, 'temp-epoch')
}

const commitCalls = (id: number): string[] => [`fsync temp-${id}`, `rename temp-${id} slice-${id}`, 'fsync directory']
const EIO = { code: 'ERR_STORE_FAILED', errno: 'EIO', cause: 'EIO' }

describeUnless(reasonAgainstTracing(), 'what is synced, and in which order', () => {
  it('a commit: the file, its name, the directory', () => {
    expect(run('commitAgain').calls).toEqual([...commitCalls(1), ...commitCalls(2), ...commitCalls(3)])
  })

  it('an epoch: its file, its name, the directory', () => {
    const epoch = ['fsync temp-epoch', 'rename temp-epoch epoch', 'fsync directory']
    expect(run('beginEpoch').calls).toEqual([...commitCalls(1), ...epoch, ...commitCalls(2)])
  })

  it('what prune() removes: the directory', () => {
    expect(run('prune').calls.slice(-5)).toEqual(['unlink slice-1', 'fsync directory', ...commitCalls(5)])
  })
})

// The first sync of a process is that of the entry of the directory, which is empty then.
describeUnless(reasonAgainstTracing(), 'a failed fsync', () => {
  it('of the slice: it is not published, and nothing of it stays', () => {
    const { result, calls } = run('commitAgain', 'fsync:error=EIO:when=4')
    expect(result).toEqual({ ...EIO, newest: '1', files: 1, next: '3', epoch: '1' })
    expect(calls).toEqual([...commitCalls(1), 'fsync temp-2 EIO', 'unlink temp-2', ...commitCalls(3)])
  })

  it('of the directory after the rename: the slice is withdrawn', () => {
    const { result, calls } = run('commitAgain', 'fsync:error=EIO:when=5')
    expect(result).toEqual({ ...EIO, newest: '1', files: 1, next: '3', epoch: '1' })
    const withdrawn = ['fsync directory EIO', 'unlink slice-2', 'unlink temp-2 ENOENT']
    expect(calls).toEqual([...commitCalls(1), ...commitCalls(2).slice(0, 2), ...withdrawn, ...commitCalls(3)])
  })

  it('of the epoch file: the old epoch stands', () => {
    const { result, calls } = run('beginEpoch', 'fsync:error=EIO:when=4')
    expect(result).toEqual({ ...EIO, newest: '1', files: 1, next: '2', epoch: '1' })
    expect(calls).toEqual([...commitCalls(1), 'fsync temp-epoch EIO', 'unlink temp-epoch', ...commitCalls(2)])
  })

  it('of the directory after an epoch began: new slices belong to the new one, since it may be on the disk', () => {
    const { result } = run('beginEpoch', 'fsync:error=EIO:when=5')
    expect(result).toEqual({ ...EIO, newest: 'undefined', files: 1, next: '2', epoch: '2' })
  })
})

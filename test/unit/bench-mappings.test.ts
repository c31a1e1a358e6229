import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { dumpMappings, HUGE_PAGE_BYTES, PAGE_BYTES, parseSmaps, residentRuns } from '../../bench/lib/mappings'
import { startForkFloor, type ForkFloor } from '../../bench/lib/fork-floor'

const PRESENT = 0x80000000
const FILE_PAGE = 0xa0000000

/** Entries of /proc/<pid>/pagemap with the given upper halves. */
function pagemap(upper: readonly number[]): Buffer {
  const entries = Buffer.alloc(upper.length * 8)
  upper.forEach((flags, page) => entries.writeUInt32LE(flags, page * 8 + 4))
  return entries
}

function mapping(start: number, pages: number, hugeBytes = 0) {
  return { start, end: start + pages * PAGE_BYTES, permissions: 'rw-p', name: '', anonymousBytes: 1, hugeBytes }
}

describe('parseSmaps', () => {
  it('reads ranges, names and sizes, and leaves the kernel’s mappings out', () => {
    const text = [
      '1a2b000000-1a2b040000 rw-p 00000000 00:00 0 ',
      'Anonymous:           200 kB',
      'AnonHugePages:         0 kB',
      'VmFlags: rd wr dc ',
      '7f00000000-7f00400000 rw-p 00000000 00:00 0          [anon: a name]',
      'Anonymous:          4096 kB',
      'AnonHugePages:      2048 kB',
      '7fff00000000-7fff00001000 r-xp 00000000 00:00 0                          [vdso]',
      'Anonymous:             4 kB',
      'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]',
    ].join('\n')
    expect(parseSmaps(text)).toEqual([
      { start: 0x1a2b000000, end: 0x1a2b040000, permissions: 'rw-p', name: '', anonymousBytes: 204800, hugeBytes: 0 },
      {
        start: 0x7f00000000,
        end: 0x7f00400000,
        permissions: 'rw-p',
        name: '[anon: a name]',
        anonymousBytes: 4 << 20,
        hugeBytes: 2 << 20,
      },
    ])
  })
})

describe('residentRuns', () => {
  it('joins neighbours and leaves out what is absent or of a file', () => {
    const entries = pagemap([PRESENT, PRESENT, 0, PRESENT, FILE_PAGE, PRESENT])
    expect(residentRuns(mapping(0x10000, 6), entries)).toEqual([
      { kind: 'small', start: 0x10000, bytes: 2 * PAGE_BYTES },
      { kind: 'small', start: 0x13000, bytes: PAGE_BYTES },
      { kind: 'small', start: 0x15000, bytes: PAGE_BYTES },
    ])
  })

  it('takes as many aligned and full regions for huge pages as the mapping has', () => {
    const region = HUGE_PAGE_BYTES / PAGE_BYTES
    const start = 8 * HUGE_PAGE_BYTES - PAGE_BYTES
    const upper = new Array<number>(1 + 3 * region).fill(PRESENT)
    upper[1 + 5] = 0
    expect(residentRuns(mapping(start, upper.length, HUGE_PAGE_BYTES), pagemap(upper))).toEqual([
      { kind: 'small', start, bytes: 6 * PAGE_BYTES },
      { kind: 'small', start: start + 7 * PAGE_BYTES, bytes: (region - 6) * PAGE_BYTES },
      { kind: 'huge', start: 9 * HUGE_PAGE_BYTES, bytes: HUGE_PAGE_BYTES },
      { kind: 'small', start: 10 * HUGE_PAGE_BYTES, bytes: HUGE_PAGE_BYTES },
    ])
  })
})

const onLinux = process.platform === 'linux' ? describe : describe.skip

onLinux('fork_floor', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'forksnap-floor-'))
    const source = path.join(__dirname, '..', '..', 'bench', 'native', 'fork_floor.c')
    execFileSync('cc', ['-std=gnu11', '-O2', '-o', path.join(folder, 'fork_floor'), source])
    mkdirSync(path.join(folder, 'build', 'bench'), { recursive: true })
    copyFileSync(path.join(folder, 'fork_floor'), path.join(folder, 'build', 'bench', 'fork_floor'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function replay(file: string, forks: number): ForkFloor {
    const answer = execFileSync(path.join(folder, 'fork_floor'), [file, String(forks)], { encoding: 'utf8' })
    return JSON.parse(answer) as ForkFloor
  }

  it('has the same memory in as many mappings as the process that was dumped', () => {
    const file = path.join(folder, 'self.txt')
    const summary = dumpMappings(file)
    const floor = replay(file, 2)
    const own = replay(writeEmpty(), 1)
    expect(floor.fork_ms).toHaveLength(2)
    expect(floor.refork_ms).toHaveLength(2)
    // The program's own few differ with its address layout.
    expect(Math.abs(floor.vmas - own.vmas - (summary.mappings - floor.skipped_vmas))).toBeLessThanOrEqual(8)
    const replayed = floor.resident_bytes + floor.skipped_bytes
    expect(replayed).toBeGreaterThanOrEqual(summary.residentBytes)
    expect(replayed - summary.residentBytes).toBeLessThan(1 << 20)
    const rollup = readFileSync('/proc/self/smaps_rollup', 'utf8')
    const anonymous = Number(/Anonymous: +(\d+)/.exec(rollup)?.[1]) * 1024
    expect(summary.residentBytes).toBeGreaterThan(anonymous / 2)
  })

  it('makes the small pages resident in the order of physical memory, where the kernel tells it', () => {
    const file = path.join(folder, 'order.txt')
    const summary = dumpMappings(file)
    const lines = readFileSync(file, 'latin1').split('\n')
    const bytesOf = (kind: string): number =>
      lines.reduce((sum, line) => sum + (line.startsWith(`${kind} `) ? parseInt(line.split(' ')[2], 16) : 0), 0)
    // Root in a container need not be allowed to know it either.
    if (process.getuid?.() !== 0) expect(summary.physicalOrder).toBe(false)
    expect(bytesOf('o')).toBe(summary.physicalOrder ? bytesOf('r') : 0)
    const floor = replay(file, 1)
    expect(floor.ordered_bytes + (summary.physicalOrder ? floor.skipped_bytes : 0)).toBe(bytesOf('o'))
  })

  it('refuses an ordered run that no mapping has', () => {
    const file = path.join(folder, 'outside.txt')
    const lines = [
      `forksnap-mappings 1 ${PAGE_BYTES}`,
      'm 10000000000 2000 rw-p',
      'r 10000000000 1000',
      'o 10000001000 2000',
    ]
    writeFileSync(file, lines.join('\n') + '\n')
    expect(() => replay(file, 1)).toThrow(/outside every mapping/)
  })

  function writeEmpty(): string {
    const file = path.join(folder, 'empty.txt')
    writeFileSync(file, `forksnap-mappings 1 ${PAGE_BYTES}\n`)
    return file
  }

  it('forks when it is told to', async () => {
    const file = path.join(folder, 'demand.txt')
    dumpMappings(file)
    const floor = await startForkFloor(file, folder)
    expect(await floor.fork(false)).toBeGreaterThan(0)
    const { resident_bytes, vmas, skipped_vmas } = await floor.end()
    const all = replay(file, 1)
    expect({ vmas, skipped_vmas }).toEqual({ vmas: all.vmas, skipped_vmas: all.skipped_vmas })
    expect(Math.abs(resident_bytes - all.resident_bytes)).toBeLessThan(1 << 20)
  })

  /** Page faults that needed no disk: of the process itself, and of children that it has waited for. */
  function faultsOf(pid: number): { own: number; children: number } {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [, , , , , , , own, children] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    return { own, children }
  }

  it('writes the pages again before it forks if it is told so', async () => {
    const PAGES = 2_000
    const file = path.join(folder, 'pages.txt')
    const range = `200000000000 ${(PAGES * PAGE_BYTES).toString(16)}`
    writeFileSync(file, `forksnap-mappings 1 ${PAGE_BYTES}\nm ${range} rw-p\nr ${range}\n`)
    const floor = await startForkFloor(file, folder)
    const seen: { own: number; children: number }[] = [faultsOf(floor.pid)]
    for (const rewrite of [false, true, false, true]) {
      await floor.fork(rewrite)
      seen.push(faultsOf(floor.pid))
    }
    const { resident_bytes } = await floor.end()
    const spent = seen.slice(1).map(({ own, children }, i) => {
      return { own: own - seen[i].own, children: children - seen[i].children }
    })
    // The fork before has protected them, so that each write is a fault.
    expect(spent.map(({ own }) => own >= PAGES)).toEqual([false, true, false, true])
    expect(spent.map(({ own }) => own < PAGES / 2)).toEqual([true, false, true, false])
    expect(spent.map(({ children }) => children > 0)).toEqual([true, true, true, true])
    expect(resident_bytes).toBeGreaterThanOrEqual(PAGES * PAGE_BYTES)
  })

  it('refuses what is not a snapshot', () => {
    expect(() => replay(path.join(folder, 'fork_floor'), 1)).toThrow(/not a snapshot of mappings/)
  })
})

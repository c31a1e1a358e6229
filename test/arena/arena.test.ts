import { constants } from 'node:buffer'
import { Arena, type ArenaOptions } from '../../src/index'
import { countPages, settingOf } from '../../src/arena/pages'
import { failure } from '../helpers/failure'
import { hugePagesThere } from '../helpers/huge-pages'

const MIB = 2 ** 20

describe('an arena', () => {
  it('hands out zeroed buffers and takes them back', () => {
    const arena = new Arena({ bytes: 1 })
    const small = arena.alloc(1)
    const large = new BigUint64Array(arena.alloc(5 * MIB))
    expect(small.byteLength).toBe(1)
    expect(large.every((value) => value === 0n)).toBe(true)
    expect(arena.stats()).toEqual({ mappedBytes: 8 * MIB, usedBytes: 5 * MIB + 1, buffers: 2, regions: 2 })
    large.fill(7n)
    arena.free(large.buffer)
    expect(large.length).toBe(0)
    expect(arena.stats()).toEqual({ mappedBytes: 2 * MIB, usedBytes: 1, buffers: 1, regions: 1 })
    expect(new BigUint64Array(arena.alloc(5 * MIB)).every((value) => value === 0n)).toBe(true)
    new Uint8Array(small)[0] = 9
    arena.free(small)
    expect(new Uint8Array(arena.alloc(1))[0]).toBe(0)
  })

  it('refuses what is freed, transferred or not its own', () => {
    const arena = new Arena({ bytes: 2 * MIB })
    const [freed, given] = [arena.alloc(10), arena.alloc(10)]
    arena.free(freed)
    const moved = structuredClone(given, { transfer: [given] })
    for (const buffer of [freed, given]) {
      expect(failure(() => arena.free(buffer))).toMatchObject({ code: 'ERR_INVALID_STATE' })
    }
    // The memory that was moved is the arena's all the same.
    arena.free(moved)
    expect(arena.stats().buffers).toBe(0)
    const others = [new ArrayBuffer(8), new ArrayBuffer(0), new Arena({ bytes: 1 }).alloc(8)]
    for (const buffer of others) {
      expect(failure(() => arena.free(buffer))).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: 'The buffer is not from this arena',
      })
    }
    const noBuffers = [new Uint8Array(8), new SharedArrayBuffer(8), undefined] as unknown as ArrayBuffer[]
    for (const other of noBuffers) expect(failure(() => arena.free(other)).code).toBe('ERR_INVALID_ARGUMENT')
  })

  it('keeps to its limit, and takes what was freed instead', () => {
    const arena = new Arena({ bytes: 2 * MIB, maxBytes: 7 * MIB })
    const buffer = arena.alloc(4 * MIB)
    expect(failure(() => arena.alloc(3 * MIB))).toMatchObject({ code: 'ERR_ARENA_FULL' })
    expect(failure(() => new Arena({ bytes: 1, maxBytes: 100 })).code).toBe('ERR_ARENA_FULL')
    arena.free(buffer)
    expect(arena.alloc(4 * MIB).byteLength).toBe(4 * MIB)
  })

  it('tells when the system has no memory', () => {
    expect(failure(() => new Arena({ bytes: 2 ** 46 }))).toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      errno: 'ENOMEM',
      syscall: 'mmap',
    })
  })

  it('checks its arguments', () => {
    const options: unknown[] = [undefined, {}, { bytes: 0 }, { bytes: 1.5 }, { bytes: 2 ** 46 + 1 }, { bytes: '1' }]
    options.push({ bytes: 10, maxBytes: 9 }, { bytes: 10, maxBytes: 2 ** 47 }, { bytes: 10, hugePages: true })
    options.push({ bytes: 10, size: 1 })
    for (const one of options) {
      expect(failure(() => new Arena(one as ArenaOptions)).code).toBe('ERR_INVALID_ARGUMENT')
    }
    const arena = new Arena({ bytes: 1 })
    for (const bytes of [0, -1, 1.5, NaN, constants.MAX_LENGTH + 1, '8' as unknown as number]) {
      expect(failure(() => arena.alloc(bytes)).code).toBe('ERR_INVALID_ARGUMENT')
    }
    expect(failure(() => arena.stats({ page: true } as object)).code).toBe('ERR_INVALID_ARGUMENT')
  })
})

describe("an arena's pages", () => {
  const onLinux = process.platform === 'linux' ? it : it.skip

  onLinux('are huge if the system has huge pages, and small if it must use none', () => {
    for (const hugePages of ['auto', 'never'] as const) {
      const arena = new Arena({ bytes: 16 * MIB, hugePages })
      const bytes = new Uint8Array(arena.alloc(8 * MIB)).fill(1)
      const huge = hugePages === 'auto' && hugePagesThere()
      expect(arena.stats({ pages: true }).pages).toMatchObject({
        residentBytes: 8 * MIB,
        hugeBytes: huge ? 8 * MIB : 0,
      })
      arena.free(bytes.buffer)
      expect(arena.stats({ pages: true }).pages).toMatchObject({ residentBytes: 0, hugeBytes: 0 })
    }
  })

  it("are counted in the system's text, and nobody else's are", () => {
    const mapping = (range: string, kB: number): string =>
      `${range} rw-p 00000000 00:00 0 \nSize: 9 kB\nRss:  ${kB} kB\nAnonHugePages:  ${kB - 1} kB\nShmemHugePages: 7 kB\n`
    const text =
      mapping('1000-2000', 1) + mapping('2000-3000', 10) + mapping('3000-5000', 100) + mapping('5000-6000', 5)
    expect(countPages(text, [])).toEqual({ residentBytes: 0, hugeBytes: 0 })
    expect(countPages(text, ['2000-5000'])).toEqual({ residentBytes: 110 * 1024, hugeBytes: 108 * 1024 })
  })

  it("say the system's setting", () => {
    expect(settingOf('always [madvise] never\n')).toBe('madvise')
    expect(settingOf('[always] madvise never\n')).toBe('always')
    expect(settingOf('always madvise [never]\n')).toBe('never')
    expect(settingOf(undefined)).toBe('unknown')
  })
})

import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { ForgetfulDisk, type Fate, whyNoDisk } from './forgetful-disk'

const reason = whyNoDisk()
if (reason !== undefined) console.warn(`Power tests are skipped: ${reason}`)
const describeDisk = reason === undefined ? describe : describe.skip

const SECTOR_BYTES = 512

/** The disk of the power tests must itself forget and keep what it says, or those tests prove nothing. */
describeDisk(`a disk that forgets what was not synced${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let disk: ForgetfulDisk
  beforeEach(async () => (disk = await ForgetfulDisk.start()))
  afterEach(() => disk.stop())

  const at = (...names: string[]) => join(disk.path, ...names)
  const names = (...folder: string[]) => fs.readdirSync(at(...folder)).sort()
  const read = (...path: string[]) => fs.readFileSync(at(...path), 'latin1')

  function withFd<T>(path: string, flags: string, work: (fd: number) => T): T {
    const fd = fs.openSync(path, flags)
    try {
      return work(fd)
    } finally {
      fs.closeSync(fd)
    }
  }

  const syncFile = (name: string) => withFd(at(name), 'r', (fd) => fs.fsyncSync(fd))
  const syncFolder = (...folder: string[]) => withFd(at(...folder), 'r', (fd) => fs.fsyncSync(fd))

  async function lose(seed: number, fateOfNames: Fate, fateOfData: Fate): Promise<void> {
    await disk.cut(seed, fateOfNames, fateOfData)
    await disk.on()
  }

  function writeDurably(name: string, text: string): void {
    fs.writeFileSync(at(name), text)
    syncFile(name)
    syncFolder()
  }

  test('is a file system like others while the power is on', () => {
    fs.mkdirSync(at('a', 'b'), { recursive: true })
    fs.writeFileSync(at('a', 'file'), 'one')
    fs.appendFileSync(at('a', 'file'), ' two')
    fs.renameSync(at('a', 'file'), at('a', 'b', 'moved'))
    fs.linkSync(at('a', 'b', 'moved'), at('again'))
    fs.truncateSync(at('again'), 5)
    expect(read('a', 'b', 'moved')).toBe('one t')
    expect(fs.statSync(at('again'))).toMatchObject({ size: 5, nlink: 2 })
    expect([names(), names('a'), names('a', 'b')]).toEqual([['a', 'again'], ['b'], ['moved']])
    const big = Buffer.alloc(1_000_000, 'x')
    fs.writeFileSync(at('big'), big)
    expect(fs.readFileSync(at('big')).equals(big)).toBe(true)
    expect(() => fs.mkdirSync(at('a'))).toThrow('EEXIST')
    expect(() => fs.rmdirSync(at('a'))).toThrow('ENOTEMPTY')
    expect(() => fs.openSync(at('big'), 'wx')).toThrow('EEXIST')
    expect(() => fs.readFileSync(at('none'))).toThrow('ENOENT')
    fs.rmSync(at('a'), { recursive: true })
    expect(names()).toEqual(['again', 'big'])
  })

  test('lists a directory in full while its files are removed', () => {
    for (let i = 0; i < 500; i++) fs.writeFileSync(at(`file-${i}`), '')
    const folder = fs.opendirSync(disk.path, { bufferSize: 1 })
    for (let one = folder.readSync(); one !== null; one = folder.readSync()) fs.unlinkSync(at(one.name))
    folder.closeSync()
    expect(names()).toEqual([])
  })

  test('answers nothing once the power has gone, and is empty if nothing was synced', async () => {
    fs.writeFileSync(at('file'), 'text')
    const fd = fs.openSync(at('file'), 'r+')
    await disk.cut(1, 'none', 'none')
    expect(() => fs.writeSync(fd, 'more')).toThrow('ENOTCONN')
    expect(() => fs.fsyncSync(fd)).toThrow('ENOTCONN')
    expect(() => names()).toThrow('ENOTCONN')
    await disk.on()
    expect(() => fs.writeSync(fd, 'more')).toThrow('ENOTCONN')
    expect(names()).toEqual([])
    fs.closeSync(fd)
  })

  test('keeps bytes and names that were synced, each by its own sync', async () => {
    for (const name of ['both', 'bytes', 'name']) fs.writeFileSync(at(name), name)
    syncFile('both')
    syncFile('bytes')
    fs.renameSync(at('bytes'), at('late'))
    fs.unlinkSync(at('late'))
    syncFolder()
    fs.linkSync(at('both'), at('unsynced'))
    await lose(1, 'none', 'none')
    expect(names()).toEqual(['both', 'name'])
    expect([read('both'), read('name')]).toEqual(['both', ''])
  })

  test('fdatasync keeps bytes and size, fsync the mode and the times as well', async () => {
    for (const name of ['data', 'full']) fs.writeFileSync(at(name), '', { mode: 0o644 })
    syncFolder()
    const old = new Date(1_000_000_000_000)
    for (const name of ['data', 'full']) {
      withFd(at(name), 'r+', (fd) => {
        fs.writeSync(fd, name)
        fs.fchmodSync(fd, 0o600)
        fs.futimesSync(fd, old, old)
        if (name === 'data') fs.fdatasyncSync(fd)
        else fs.fsyncSync(fd)
      })
    }
    await lose(1, 'none', 'none')
    expect([read('data'), read('full')]).toEqual(['data', 'full'])
    expect(fs.statSync(at('data')).mode & 0o777).toBe(0o644)
    expect(fs.statSync(at('data')).mtimeMs).not.toBe(old.getTime())
    expect(fs.statSync(at('full')).mode & 0o777).toBe(0o600)
    expect(fs.statSync(at('full')).mtimeMs).toBe(old.getTime())
  })

  test('a synced rename of an unsynced file gives the name without the bytes', async () => {
    writeDurably('file', 'old')
    fs.writeFileSync(at('temp'), 'new')
    fs.renameSync(at('temp'), at('file'))
    syncFolder()
    await lose(1, 'none', 'none')
    expect([names(), read('file')]).toEqual([['file'], ''])
  })

  test('an unsynced rename has happened or has not, as one', async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      for (const name of names()) fs.unlinkSync(at(name))
      writeDurably('file', 'old')
      writeDurably('temp', 'new')
      fs.renameSync(at('temp'), at('file'))
      await lose(seed, 'some', 'none')
      seen.add(`${names().join()}=${read('file')}`)
    }
    expect([...seen].sort()).toEqual(['file,temp=old', 'file=new'])
  })

  test('unsynced removals are kept each by itself, up to some moment, or the last one only', async () => {
    const outOfOrder = new Set<boolean>()
    for (const fate of ['some', 'first', 'last'] as const) {
      const seen = new Set<string>()
      for (let seed = 0; seed < 60; seed++) {
        for (const name of ['1', '2', '3']) fs.writeFileSync(at(name), '')
        syncFolder()
        for (const name of ['1', '2', '3']) fs.unlinkSync(at(name))
        await lose(seed, fate, 'none')
        seen.add(names().join(''))
      }
      const inOrder = ['', '123', '23', '3']
      if (fate === 'first') expect([...seen].sort()).toEqual(inOrder)
      else if (fate === 'last') expect([...seen]).toEqual(['12'])
      else outOfOrder.add([...seen].some((left) => !inOrder.includes(left)))
    }
    expect([...outOfOrder]).toEqual([true])
  })

  test('unsynced bytes are torn at sectors: new, old, or zeros where nothing was', async () => {
    const sectors = 16
    const seen = new Set<string>()
    const sizes = new Set<number>()
    for (let seed = 0; seed < 60; seed++) {
      writeDurably('file', 'o'.repeat(sectors * SECTOR_BYTES))
      withFd(at('file'), 'r+', (fd) => fs.writeSync(fd, 'n'.repeat(2 * sectors * SECTOR_BYTES), 0))
      await lose(seed, 'none', 'some')
      const text = read('file')
      sizes.add(text.length)
      for (let from = 0; from < text.length; from += SECTOR_BYTES) {
        const sector = new Set(text.slice(from, from + SECTOR_BYTES))
        expect(sector.size).toBe(1)
        const [byte = ''] = sector
        seen.add(`${from < sectors * SECTOR_BYTES ? 'written over' : 'appended'} ${byte === '\0' ? 'zeros' : byte}`)
      }
    }
    expect([...seen].sort()).toEqual(['appended n', 'appended zeros', 'written over n', 'written over o'])
    expect(sizes.size).toBeGreaterThan(2)
    expect(Math.min(...sizes)).toBe(sectors * SECTOR_BYTES)
    expect(Math.max(...sizes)).toBe(2 * sectors * SECTOR_BYTES)
  })

  test('what a cut leaves is durable: a second cut takes nothing', async () => {
    fs.writeFileSync(at('file'), 'text')
    await lose(1, 'all', 'all')
    expect(read('file')).toBe('text')
    await lose(2, 'none', 'none')
    expect(read('file')).toBe('text')
  })

  test('the same seed after the same history keeps the same things', async () => {
    const seen = new Set<string>()
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 20; i++) fs.writeFileSync(at(`file-${i}`), 'x'.repeat(i * 700))
      await lose(4711, 'some', 'some')
      seen.add(
        names()
          .map((name) => `${name}:${read(name)}`)
          .join(),
      )
      await disk.stop()
      disk = await ForgetfulDisk.start()
    }
    expect(seen.size).toBe(1)
    expect([...seen][0]).toContain('file-')
  })

  test('a cut can wait for a request, and comes before it or after it', async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 2; seed++) {
      writeDurably('file', 'old')
      const { happened } = await disk.arm(2, 's', 0, seed)
      withFd(at('file'), 'r+', (fd) => {
        fs.writeSync(fd, 'one')
        fs.fdatasyncSync(fd)
        fs.writeSync(fd, 'two', 0)
        try {
          fs.fdatasyncSync(fd)
          seen.add('synced')
        } catch (error) {
          seen.add((error as NodeJS.ErrnoException).code ?? '')
        }
      })
      await happened
      await disk.on()
      expect(read('file')).toMatch(seed === 0 ? /^two$/ : /^(one|two)$/)
    }
    expect([...seen].sort()).toEqual(['ECONNABORTED', 'synced'])
  })

  test('its mount is in no other process, and so is gone when it is killed', async () => {
    const folder = basename(disk.path)
    expect(fs.readFileSync(`/proc/${disk.pid}/mounts`, 'utf8')).toContain(folder)
    expect(fs.readFileSync('/proc/self/mounts', 'utf8')).not.toContain(folder)
    process.kill(disk.pid, 'SIGKILL')
    await disk.stop()
    expect(fs.existsSync(join(tmpdir(), folder))).toBe(false)
  })
})

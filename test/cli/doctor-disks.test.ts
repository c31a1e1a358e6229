import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Check } from '../../src/cli/doctor/check'
import { roomForLog, roomForSlices } from '../../src/cli/doctor/disks'
import { type FileSystem, fileSystemFindings, type Room } from '../../src/cli/doctor/file-system'
import { segmentPath } from '../../src/oplog/file-names'
import { inPipe } from '../helpers/cli'
import { type Files, GIB, look, removeMachines } from '../helpers/doctor'
import { itUnless } from '../helpers/store-fixture'
import { publish, StoreBench } from '../helpers/store-slices'

/** What `forksnap doctor` says of the disks of slices and log. */

const bench = new StoreBench()
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'forksnap-disks-'))
})

afterAll(async () => {
  removeMachines()
  await bench.cleanUp()
  rmSync(folder, { recursive: true })
})

describe('a file system', () => {
  const EXT4: FileSystem = { type: 0xef53, freeBytes: 60 * GIB, totalBytes: 100 * GIB, freeInodes: 1e6, inodes: 6e6 }
  const ROOM: Room = { neededBytes: GIB, next: 'the next slice', wantedBytes: 4 * GIB, all: '4 more slices' }
  const at = (free: number): Partial<FileSystem> => ({ freeBytes: free * GIB })
  it.each<[name: string, differs: Partial<FileSystem>, found: RegExp[]]>([
    ['a local disk with room', {}, []],
    ['a large one of which little is free, and enough', { ...at(60), totalBytes: 2 ** 20 * GIB }, []],
    ['one with just enough', at(4), []],
    ['room for now', at(3.9), [/^warn: 4.0 GiB should be free for 4 more slices$/]],
    ['no room', at(0.9), [/^fail: that is too little for the next slice, which needs about 1.0 GiB$/]],
    ['tmpfs', { type: 0x01021994 }, [/^fail: .*in memory/]],
    ['ramfs', { type: 0x858458f6 }, [/^fail: .*in memory/]],
    ['overlayfs', { type: 0x794c7630 }, [/^warn: .*own layer/]],
    ['NFS', { type: 0x6969 }, [/^warn: .*network/]],
    ['SMB', { type: 0xfe534d42 }, [/^warn: .*network/]],
    ['FUSE', { type: 0x65735546 }, [/^warn: .*network/]],
    ['no inode', { freeInodes: 0 }, [/^fail: only 0 of 6000000 inodes/]],
    ['few inodes', { freeInodes: 15 }, [/^fail: only 15 of/]],
    ['inodes as they are needed', { freeInodes: 0, inodes: 0 }, []],
    [
      'all at once',
      { type: 0x6969, ...at(1), freeInodes: 1 },
      [/^warn: .*network/, /^warn: 4.0 GiB/, /^fail: only 1 of/],
    ],
  ])('%s', (_name, differs, wanted) => {
    const found = fileSystemFindings({ ...EXT4, ...differs }, ROOM).map((one) => `${one.status}: ${one.found}`)
    expect(found).toEqual(wanted.map((text) => expect.stringMatching(text) as string))
  })
})

describe('the room that slices need', () => {
  const PIB = 2 ** 50
  const found = async (slices: string, stateBytes?: number): Promise<string> => {
    return (await look('disk-slices', {}, { slices, stateBytes })).found
  }

  it('is that of all that will be kept, of the size of the state', async () => {
    const slices = join(folder, 'none')
    mkdirSync(slices, { mode: 0o700 })
    const { bavail, bsize } = statfsSync(slices)
    expect(await found(slices, 100 * PIB)).toMatch(/the next slice, which needs about 100.0 PiB/)
    expect(await found(slices, (bavail * bsize) / 2)).toMatch(/should be free for 4 more slices of about/)
    expect(await found(slices, 1)).not.toMatch(/slice,|slices of/)
  })

  it('is of the size of the newest slice once there is one', async () => {
    const store = await bench.started()
    const { bytes } = await publish(store, { rows: 10 })
    await store.close()
    expect(await roomForSlices(store.directory, 100 * PIB)).toMatchObject({
      neededBytes: bytes,
      wantedBytes: 64 * 2 ** 20,
    })
  })
})

describe('the room that a log needs', () => {
  it('is that of some segments, and of what it grows by', async () => {
    const log = join(folder, 'log')
    mkdirSync(log)
    const segment = 64 * 2 ** 20
    expect(await roomForLog(log)).toMatchObject({ neededBytes: segment, wantedBytes: 4 * segment })
    for (const id of [1, 2]) {
      const path = segmentPath(log, 1n, BigInt(id))
      writeFileSync(path, '')
      truncateSync(path, 40 * segment)
    }
    expect(await roomForLog(log)).toMatchObject({ neededBytes: segment, wantedBytes: 20 * segment })
  })
})

describe('one disk for both', () => {
  /** Two file systems that are everywhere, and their devices as the kernel shows them. */
  const [slices, log] = ['/proc', '/sys']
  const deviceAt = (point: string): string => {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    return lines.map((line) => line.split(' ')).findLast((fields) => fields[4] === point)?.[2] ?? 'none'
  }
  const disk = (name: string) => `../../devices/pci0000:00/nvme0/${name}`
  const partition = (point: string, path: string): Files => ({
    [`/sys/dev/block/${deviceAt(point)}`]: { to: disk(path) },
    [`/sys/devices/pci0000:00/nvme0/${path}/partition`]: '1\n',
  })
  const volume = (point: string, name: string, part: string): Files => ({
    [`/sys/dev/block/${deviceAt(point)}`]: { to: disk(name) },
    [`/sys/devices/pci0000:00/nvme0/${name}/slaves/${part}`]: '',
    [`/sys/class/block/${part}`]: { to: `${disk('nvme0n1')}/${part}` },
    [`/sys/devices/pci0000:00/nvme0/nvme0n1/${part}/partition`]: '1\n',
  })
  it.each<[name: string, files: Files, status: string, found: RegExp]>([
    [
      'two disks',
      { ...partition(slices, 'nvme0n1/nvme0n1p1'), ...partition(log, 'nvme1n1/nvme1n1p1') },
      'ok',
      /two file systems$/,
    ],
    [
      'two partitions of one',
      { ...partition(slices, 'nvme0n1/nvme0n1p1'), ...partition(log, 'nvme0n1/nvme0n1p2') },
      'warn',
      /one disk, nvme0n1$/,
    ],
    [
      'a partition and a volume on another of that disk',
      { ...partition(slices, 'nvme0n1/nvme0n1p1'), ...volume(log, 'dm-0', 'nvme0n1p2') },
      'warn',
      /one disk, nvme0n1$/,
    ],
    ['file systems without a device', {}, 'ok', /two file systems$/],
  ])('%s', async (_name, files, status, found) => {
    const check = await look('disk-shared', files, { slices, log })
    expect(check).toMatchObject({ status, found: expect.stringMatching(found) as string })
  })
})

describe('mounted for the test', () => {
  /** A namespace of its own: what is mounted there nobody else sees, and it goes with the program. */
  const inNamespace = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-ec']
  const shell = (script: string) => [...inNamespace, `${script}; exec "$@"`, 'sh']
  const reasonAgainst = (script: string): string | null => {
    const [command, ...args] = shell(script)
    return spawnSync(command, [...args, 'true']).status === 0 ? null : 'without the right to mount'
  }
  const overlay = (at: string) =>
    `mkdir -p ${at} && mount -t tmpfs tmpfs ${at} && mkdir ${at}/lower ${at}/upper ${at}/work ${at}/merged && ` +
    `mount -t overlay overlay -o lowerdir=${at}/lower,upperdir=${at}/upper,workdir=${at}/work ${at}/merged && ` +
    `mkdir -p -m 700 ${at}/merged/slices`
  const small = (at: string) =>
    `mkdir -p ${at} && mount -t tmpfs -o size=1m,nr_inodes=3 tmpfs ${at} && mkdir -p -m 700 ${at}/slices`
  const readOnly = (at: string) => `mkdir -p -m 700 ${at}/slices && mount --bind -o ro ${at} ${at}`
  const probe = join(tmpdir(), `forksnap-probe-${process.pid}`)
  afterAll(() => rmSync(probe, { recursive: true, force: true }))

  async function disk(script: string, slices: string): Promise<Check> {
    const { out, err } = await inPipe(['doctor', '--json', '--slices', slices, '--state-bytes', '2MiB'], {
      before: shell(script),
    })
    if (out === '') throw new Error(err)
    const { checks } = JSON.parse(out) as { checks: Check[] }
    return checks.find(({ id }) => id === 'disk-slices') as Check
  }

  itUnless(reasonAgainst(overlay(join(probe, 'overlay'))), 'an overlay', async () => {
    const at = join(folder, 'overlay')
    const check = await disk(overlay(at), join(at, 'merged/slices'))
    expect(check).toMatchObject({ status: 'warn', found: expect.stringContaining('own layer (overlay)') as string })
  })

  itUnless(
    reasonAgainst(small(join(probe, 'small'))),
    'a full disk in memory: each of its faults is told',
    async () => {
      const at = join(folder, 'small')
      const { status, found, mend } = await disk(small(at), join(at, 'slices'))
      expect(status).toBe('fail')
      expect(found).toMatch(
        /; it is in memory \(tmpfs\); .* too little for the next slice.* 2.0 MiB; only \d of 3 inodes/,
      )
      expect(mend).toMatch(/use a disk.*; free some space.*; remove files/)
    },
  )

  itUnless(reasonAgainst(readOnly(join(probe, 'ro'))), 'a disk that is mounted read-only', async () => {
    const at = join(folder, 'ro')
    const check = await disk(readOnly(at), join(at, 'slices'))
    expect(check).toMatchObject({ status: 'fail', mend: 'mount it for writing' })
  })
})

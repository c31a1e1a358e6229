import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Check } from '../../src/cli/doctor/check'
import { runChecks } from '../../src/cli/doctor/checks'
import type { Subject } from '../../src/cli/doctor/subject'
import { System } from '../../src/cli/doctor/system'

/** What `forksnap doctor` makes of machines that cannot be set up here: their /proc, /sys and /etc are written down. */

const GIB = 2 ** 30
const folders: string[] = []

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

type Files = Readonly<Record<string, string>>

/** A machine with 64 GiB on which nothing is wrong. */
const MACHINE: Files = {
  '/proc/sys/kernel/osrelease': '6.1.0-18-amd64\n',
  '/proc/sys/vm/overcommit_memory': '1\n',
  '/proc/meminfo': meminfo(64, 60),
  '/sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never\n',
  '/proc/self/cgroup': '0::/\n',
  '/proc/self/mountinfo': '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n',
}

function meminfo(totalGib: number, availableGib: number, commit: readonly [limit: number, promised: number] = [32, 8]) {
  const lines = { MemTotal: totalGib, MemAvailable: availableGib, CommitLimit: commit[0], Committed_AS: commit[1] }
  return Object.entries(lines)
    .map(([name, gib]) => `${name}:    ${gib * 1024 * 1024} kB\n`)
    .join('')
}

async function look(id: string, files: Files, about: Partial<Subject> = {}): Promise<Check> {
  const root = mkdtempSync(join(tmpdir(), 'forksnap-doctor-'))
  folders.push(root)
  for (const [path, text] of Object.entries({ ...MACHINE, ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const nothing = { slices: undefined, log: undefined, postgres: undefined, schema: 'public' }
  const subject = { system: new System(root), pid: 'self', stateBytes: 4 * GIB, resident: false, ...nothing, ...about }
  const check = (await runChecks(subject)).find((one) => one.id === id)
  if (check === undefined) throw new Error(`there is no check ${id}`)
  return check
}

/** A group of version 2 with a limit, in GiB. */
function limited(folder: string, limit: number, used: number, idle = 0): Files {
  return {
    [`${folder}/memory.max`]: `${Math.round(limit * GIB)}\n`,
    [`${folder}/memory.current`]: `${Math.round(used * GIB)}\n`,
    [`${folder}/memory.stat`]: `anon 1\ninactive_file ${idle * GIB}\nactive_file 1\n`,
  }
}

const SERVICE = '/sys/fs/cgroup/system.slice/exchange.service'
const IN_SERVICE = { '/proc/self/cgroup': '0::/system.slice/exchange.service\n' }
const V1 = {
  '/proc/self/cgroup': '4:memory:/docker/abc\n3:pids:/docker/abc\n0::/\n',
  '/proc/self/mountinfo': [
    '35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory',
    '36 31 0:33 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids',
  ].join('\n'),
}
const UNLIMITED_V1 = '9223372036854771712\n'

describe('memory for the pages that are copied', () => {
  it.each<[name: string, files: Files, status: string, found: RegExp]>([
    ['a machine with enough', {}, 'ok', /60.0 GiB can be had \(bound: the memory of the machine\)/],
    ['a machine with just enough', { '/proc/meminfo': meminfo(9, 8) }, 'ok', /8.0 GiB can be had/],
    ['a small machine', { '/proc/meminfo': meminfo(8, 7.75) }, 'warn', /not enough for the worst case/],
    ['a machine with just enough for the usual', { '/proc/meminfo': meminfo(8, 5) }, 'warn', /not enough for the worst case/], // prettier-ignore
    ['a machine that is too small', { '/proc/meminfo': meminfo(8, 4.5) }, 'fail', /not enough for a snapshot/],
    [
      'v2: a limit of the own group',
      { ...IN_SERVICE, ...limited(SERVICE, 4.5, 0.2) },
      'fail',
      /4.3 GiB.*4.5 GiB in .*exchange/,
    ],
    ['v2: file pages that can go', { ...IN_SERVICE, ...limited(SERVICE, 16, 14, 8) }, 'ok', /10.0 GiB can be had/],
    ['v2: a limit beyond what the machine has', { ...IN_SERVICE, ...limited(SERVICE, 32, 1), '/proc/meminfo': meminfo(8, 4.5) }, 'fail', /4.5 GiB can be had.*memory of the machine/], // prettier-ignore
    ['v2: a limit of the group above', { ...IN_SERVICE, ...limited(dirname(SERVICE), 6, 0), [`${SERVICE}/memory.max`]: 'max\n' }, 'warn', /in .*system.slice\)/], // prettier-ignore
    [
      'v2: a container that sees its own group as the topmost',
      limited('/sys/fs/cgroup', 5, 1),
      'fail',
      /4.0 GiB can be had/,
    ],
    ['v2: a path of the host that does not exist here', { '/proc/self/cgroup': '0::/../../kubepods/pod1\n', ...limited('/sys/fs/cgroup', 5, 1) }, 'fail', /5.0 GiB in \/sys/], // prettier-ignore
    ['v2: a group beside the one that is mounted', { '/proc/self/cgroup': '0::/kubepods/pod2\n', '/proc/self/mountinfo': '30 23 0:26 /kubepods/pod1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n', ...limited('/sys/fs/pod2', 3, 0), ...limited('/sys/fs/cgroup', 5, 1) }, 'fail', /5.0 GiB in \/sys\/fs\/cgroup\)/], // prettier-ignore
    ['v1: a limit', { ...V1, '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${5 * GIB}\n`, '/sys/fs/cgroup/memory/memory.usage_in_bytes': `${2 * GIB}\n`, '/sys/fs/cgroup/memory/memory.stat': `total_inactive_file ${GIB}\n` }, 'fail', /4.0 GiB can be had.*5.0 GiB in/], // prettier-ignore
    ['v1: no limit, and nothing known of the machine', { ...V1, '/proc/meminfo': 'MemTotal: 9 kB\n', '/sys/fs/cgroup/memory/memory.limit_in_bytes': UNLIMITED_V1, '/sys/fs/cgroup/memory/memory.usage_in_bytes': '1\n' }, 'skipped', /cannot be read/], // prettier-ignore
    ['v1: no limit', { ...V1, '/sys/fs/cgroup/memory/memory.limit_in_bytes': UNLIMITED_V1, '/sys/fs/cgroup/memory/memory.usage_in_bytes': '1\n' }, 'ok', /memory of the machine/], // prettier-ignore
  ])('%s', async (_name, files, status, found) => {
    expect(await look('memory', files)).toMatchObject({ status, found: expect.stringMatching(found) as string })
  })

  it('of a running server only the copies are still to come', async () => {
    const files = { '/proc/meminfo': meminfo(8, 4.5) }
    expect(await look('memory', files, { resident: true })).toMatchObject({ status: 'ok' })
    expect(await look('memory', files, { stateBytes: undefined })).toMatchObject({ status: 'skipped' })
  })
})

describe('overcommit', () => {
  const strict = { '/proc/sys/vm/overcommit_memory': '2\n' }
  it.each<[name: string, files: Files, status: string]>([
    ['always', {}, 'ok'],
    ['heuristic', { '/proc/sys/vm/overcommit_memory': '0\n' }, 'ok'],
    ['heuristic of an old kernel', { '/proc/sys/vm/overcommit_memory': '0\n', '/proc/sys/kernel/osrelease': '4.19.0\n' }, 'warn'], // prettier-ignore
    ['strict, with room', strict, 'warn'],
    ['strict, without room for twice the state', { ...strict, '/proc/meminfo': meminfo(64, 60, [16, 9]) }, 'fail'],
  ])('%s', async (_name, files, status) => {
    expect((await look('overcommit', files)).status).toBe(status)
  })

  it('of a running server once the state is enough', async () => {
    const files = { ...strict, '/proc/meminfo': meminfo(64, 60, [16, 9]) }
    expect((await look('overcommit', files, { resident: true })).status).toBe('warn')
  })
})

describe('the other settings of a machine', () => {
  const unit = (text: string): Files => ({
    ...IN_SERVICE,
    '/etc/systemd/system/exchange.service': `[Service]\n${text}`,
  })
  const dropIn = {
    '/etc/systemd/system/exchange.service.d/kill.conf': '[Service]\nKillMode=mixed\nOOMPolicy=continue\n',
  }
  it.each<[name: string, id: string, files: Files, status: string, found: RegExp]>([
    ['huge pages for nobody', 'huge-pages', { '/sys/kernel/mm/transparent_hugepage/enabled': 'always madvise [never]' }, 'warn', /never/], // prettier-ignore
    ['huge pages for all', 'huge-pages', { '/sys/kernel/mm/transparent_hugepage/enabled': '[always] madvise never' }, 'warn', /always/], // prettier-ignore
    ['huge pages for those who ask', 'huge-pages', {}, 'ok', /madvise/],
    ['an old kernel', 'kernel', { '/proc/sys/kernel/osrelease': '4.4.0-generic\n' }, 'warn', /4\.4/],
    ['a new kernel', 'kernel', {}, 'ok', /6\.1/],
    [
      'an OOM killer that takes all',
      'oom-group',
      { ...IN_SERVICE, [`${SERVICE}/memory.oom.group`]: '1\n' },
      'warn',
      /exchange/,
    ],
    ['the group above', 'oom-group', { ...IN_SERVICE, [`${SERVICE}/memory.oom.group`]: '0\n', [`${dirname(SERVICE)}/memory.oom.group`]: '1\n' }, 'warn', /system.slice$/], // prettier-ignore
    [
      'an OOM killer that takes one',
      'oom-group',
      { ...IN_SERVICE, [`${SERVICE}/memory.oom.group`]: '0\n' },
      'ok',
      /not set/,
    ],
    ['no service', 'systemd', {}, 'ok', /not under/],
    ['a session of a user', 'systemd', { '/proc/self/cgroup': '0::/user.slice/user-1.slice/user@1.service/app.slice\n' }, 'ok', /not under/], // prettier-ignore
    ['the default KillMode', 'systemd', unit(''), 'warn', /KillMode=control-group and OOMPolicy=stop/],
    ['KillMode=mixed alone', 'systemd', unit('KillMode=mixed\n'), 'warn', /KillMode=mixed and OOMPolicy=stop/],
    ['both', 'systemd', unit('KillMode=mixed\nOOMPolicy=continue\n'), 'ok', /exchange/],
    ['a drop-in', 'systemd', { ...unit('KillMode=process\n'), ...dropIn }, 'ok', /KillMode=mixed/],
    ['a unit that is not there', 'systemd', IN_SERVICE, 'skipped', /not found/],
    ['few processes left', 'limit-processes', { ...IN_SERVICE, [`${SERVICE}/pids.max`]: '20\n', [`${SERVICE}/pids.current`]: '15\n' }, 'fail', /15 of 20/], // prettier-ignore
    ['few processes left in the group above', 'limit-processes', { ...IN_SERVICE, [`${SERVICE}/pids.max`]: '1000\n', [`${SERVICE}/pids.current`]: '5\n', [`${dirname(SERVICE)}/pids.max`]: '20\n', [`${dirname(SERVICE)}/pids.current`]: '15\n' }, 'fail', /15 of 20 .*system.slice exist/], // prettier-ignore
    ['few processes left, v1', 'limit-processes', { ...V1, '/sys/fs/cgroup/pids/pids.max': '20\n', '/sys/fs/cgroup/pids/pids.current': '15\n' }, 'fail', /15 of 20/], // prettier-ignore
    ['a heap beyond the limit', 'heap-limit', limited('/sys/fs/cgroup', 1, 0), 'skipped', /cannot be read/],
  ])('%s', async (_name, id, files, status, found) => {
    expect(await look(id, files)).toMatchObject({ status, found: expect.stringMatching(found) as string })
  })
})

describe('another process', () => {
  const of = (command: readonly string[], options = ''): Files => ({
    '/proc/7/cmdline': ['/usr/bin/node', ...command, ''].join('\0'),
    '/proc/7/environ': `PATH=/bin\0NODE_OPTIONS=${options}\0`,
    '/proc/7/cgroup': '0::/\n',
    '/proc/7/limits': 'Limit   Soft Limit   Hard Limit   Units\nMax open files            256     4096     files\n',
  })
  const server = ['server.js', '--no-addons']
  it.each<[name: string, id: string, files: Files, status: string, found: RegExp]>([
    ['the options of its script are not its own', 'node-flags', of(server), 'ok', /no options/],
    ['its command line', 'node-flags', of(['-r', 'forksnap/worker', '--no-addons', ...server]), 'fail', /--no-addons/],
    ['a value that is no script', 'node-flags', of(['--env-file', '.env', '--no-addons', ...server]), 'fail', /--no-addons/], // prettier-ignore
    [
      'its NODE_OPTIONS',
      'node-flags',
      of(server, '--require "./a b.js" --single_threaded'),
      'warn',
      /--single-threaded/,
    ],
    [
      'a heap that is too large',
      'heap-limit',
      of(['--max-old-space-size=70000', ...server]),
      'fail',
      /68.4 GiB, of 64.0 GiB/,
    ],
    ['a heap that leaves nothing', 'heap-limit', of(['--max-old-space-size', '60000', ...server]), 'warn', /58.6 GiB/],
    ['a heap that fits', 'heap-limit', of(server, '--max-old-space-size=8192'), 'ok', /8.0 GiB/],
    [
      'a heap that is too small for the state',
      'heap-limit',
      of(server, '--max-old-space-size=2048'),
      'warn',
      /the state has 4.0/,
    ],
    ['its limits', 'limit-files', of(server), 'warn', /256/],
  ])('%s', async (_name, id, files, status, found) => {
    const check = await look(id, files, { pid: '7' })
    expect(check).toMatchObject({ status, found: expect.stringMatching(found) as string })
  })
})

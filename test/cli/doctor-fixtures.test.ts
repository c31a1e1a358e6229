import { dirname } from 'node:path'
import { type Files, GIB, limited, limitedV1, look, meminfo, removeMachines } from '../helpers/doctor'

/** Machines that are set up wrongly in ways that cannot be had here, and what `forksnap doctor` says of them. */

afterAll(removeMachines)

const SERVICE = '/sys/fs/cgroup/system.slice/exchange.service'
const IN_SERVICE = { '/proc/self/cgroup': '0::/system.slice/exchange.service\n' }
const V1_MEMORY = '/sys/fs/cgroup/memory'
const V1 = {
  '/proc/self/cgroup': '4:memory:/docker/abc\n3:pids:/docker/abc\n0::/\n',
  '/proc/self/mountinfo': [
    '35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory',
    '36 31 0:33 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids',
  ].join('\n'),
}
const UNLIMITED_V1 = 2 ** 33

type Row = readonly [name: string, files: Files, status: string, found: RegExp]

describe('memory for the pages that are copied', () => {
  const service = (...group: [limit: number, used: number, statistics?: Record<string, number>]): Files => {
    return { ...IN_SERVICE, ...limited(SERVICE, ...group) }
  }
  const v1 = (...group: [limit: number, used: number, statistics?: Record<string, number>]): Files => {
    return { ...V1, ...limitedV1(V1_MEMORY, ...group) }
  }

  it.each<Row>([
    ['a machine with enough', {}, 'ok', /60.0 GiB can be had \(bound: the memory of the machine\)/],
    ['a machine with just enough', { '/proc/meminfo': meminfo(9, 8) }, 'ok', /8.0 GiB can be had/],
    ['a small machine', { '/proc/meminfo': meminfo(8, 7.75) }, 'warn', /not enough for the worst case/],
    ['a machine with just enough for the usual', { '/proc/meminfo': meminfo(8, 5) }, 'warn', /not enough for the worst case/], // prettier-ignore
    ['a machine that is too small', { '/proc/meminfo': meminfo(8, 4.5) }, 'fail', /not enough for a snapshot/],
    [
      'a limit of the own group',
      service(4.5, 0.2),
      'fail',
      /4.3 GiB.*4.5 GiB in .*exchange.service\/memory.max, 204.8 MiB in use\)/,
    ],
    [
      'a limit beyond what the machine has',
      { ...service(32, 1), '/proc/meminfo': meminfo(8, 4.5) },
      'fail',
      /4.5 GiB can be had.*memory of the machine/,
    ],
    [
      'a limit of the group above',
      { ...service(9, 0), [`${SERVICE}/memory.max`]: 'max\n', ...limited(dirname(SERVICE), 6, 0) },
      'warn',
      /in .*system.slice\/memory.max/,
    ],
    [
      'a limit above which it is slowed down',
      { ...service(64, 1), [`${SERVICE}/memory.high`]: `${5 * GIB}\n` },
      'fail',
      /4.0 GiB can be had.*memory.high/,
    ],
    [
      'a limit of which nobody sees what is used',
      { '/sys/fs/cgroup/memory.max': `${5 * GIB}\n` },
      'warn',
      /5.0 GiB can be had/,
    ],
    [
      'a container that sees its own group as the topmost',
      limited('/sys/fs/cgroup', 5, 1),
      'fail',
      /4.0 GiB can be had/,
    ],
    [
      'a path of the host that does not exist here',
      { '/proc/self/cgroup': '0::/../../kubepods/pod1\n', ...limited('/sys/fs/cgroup', 5, 1) },
      'fail',
      /5.0 GiB in \/sys/,
    ],
    [
      'a group beside the one that is mounted',
      {
        '/proc/self/cgroup': '0::/kubepods/pod2\n',
        '/proc/self/mountinfo': '30 23 0:26 /kubepods/pod1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
        ...limited('/sys/fs/pod2', 3, 0),
        ...limited('/sys/fs/cgroup', 5, 1),
      },
      'fail',
      /5.0 GiB in \/sys\/fs\/cgroup\/memory.max/,
    ],
    [
      'v1: no limit, and nothing known of the machine',
      { ...v1(UNLIMITED_V1, 0), '/proc/meminfo': 'MemTotal: 9 kB\n' },
      'skipped',
      /cannot be read/,
    ],
  ])('%s', async (_name, files, status, found) => {
    expect(await look('memory', files)).toMatchObject({ status, found: expect.stringMatching(found) as string })
  })

  it.each<Row>([
    [
      'v2: pages of files that nobody has used for a while',
      service(16, 14, { inactive_file: 8 }),
      'ok',
      /10.0 GiB can be had.*14.0 GiB in use, 8.0 GiB of it pages of files/,
    ],
    [
      'v2: pages of files that somebody uses',
      service(16, 14, { inactive_file: 1, active_file: 7 }),
      'ok',
      /10.0 GiB can be had/,
    ],
    [
      'v2: the slab',
      service(16, 14, { active_file: 7, slab_reclaimable: 1, slab_unreclaimable: 4 }),
      'ok',
      /10.0 GiB can be had/,
    ],
    [
      'v2: not what has to be written first',
      service(16, 14, { active_file: 7, file_dirty: 3, file_writeback: 1 }),
      'warn',
      /5.0 GiB can be had.*3.0 GiB of it/,
    ],
    [
      'v2: not what lies in a tmpfs',
      service(16, 14, { file: 8, shmem: 8, inactive_anon: 8 }),
      'fail',
      /2.0 GiB can be had.*14.0 GiB in use\)/,
    ],
    [
      'v2: more dirty pages than pages of files',
      service(16, 14, { active_file: 1, file_dirty: 3 }),
      'fail',
      /2.0 GiB can be had/,
    ],
    [
      'v1: pages of files, of all groups below',
      v1(16, 14, { total_inactive_file: 1, total_active_file: 7, inactive_file: 1 }),
      'ok',
      /10.0 GiB can be had.*in .*memory.limit_in_bytes, 14.0 GiB in use, 8.0 GiB of it/,
    ],
    [
      'v1: not what has to be written first',
      v1(16, 14, { total_active_file: 7, total_dirty: 3, total_writeback: 1 }),
      'warn',
      /5.0 GiB can be had/,
    ],
    [
      'v1: not what lies in a tmpfs',
      v1(16, 14, { total_cache: 8, total_shmem: 8, total_inactive_anon: 8 }),
      'fail',
      /2.0 GiB can be had/,
    ],
    ['v1: a limit', v1(5, 2, { total_inactive_file: 1 }), 'fail', /4.0 GiB can be had.*5.0 GiB in/],
    [
      'v1: a limit of a group above that cannot be seen',
      v1(UNLIMITED_V1, 2, { hierarchical_memory_limit: 5 }),
      'fail',
      /3.0 GiB can be had.*5.0 GiB in/,
    ],
    ['v1: no limit', v1(UNLIMITED_V1, 1), 'ok', /memory of the machine/],
  ])('%s', async (_name, files, status, found) => {
    expect(await look('memory', files)).toMatchObject({ status, found: expect.stringMatching(found) as string })
  })

  it('of a running server only the copies are still to come, and what its state grows by', async () => {
    const files = { '/proc/meminfo': meminfo(8, 4.5) }
    const running = { residentBytes: 4 * GIB }
    expect(await look('memory', files, running)).toMatchObject({ status: 'ok' })
    const grows = await look('memory', files, { residentBytes: 1 * GIB })
    const found = expect.stringContaining('a state of 4.0 GiB of which 3.0 GiB are to come') as string
    expect(grows).toMatchObject({
      status: 'warn',
      found,
      mend: expect.stringContaining('7.0 GiB can be had') as string,
    })
    expect(await look('memory', files, { stateBytes: undefined })).toMatchObject({ status: 'skipped' })
  })

  it('tells what to raise', async () => {
    const mend = async (files: Files) => (await look('memory', files)).mend
    expect(await mend(service(4.5, 0.2))).toMatch(
      /^raise memory.max in .*exchange.service \(.*MemoryMax=.*8.0 GiB can be had/,
    )
    expect(await mend(v1(4, 1))).toMatch(/^raise memory.limit_in_bytes in .*memory \(.*--memory/)
    expect(await mend({ '/proc/meminfo': meminfo(8, 4.5) })).toMatch(/^use a machine with more memory, so that 8.0 GiB/)
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
    expect((await look('overcommit', files, { residentBytes: 4 * GIB })).status).toBe('warn')
  })

  it('promises the child of a running server all that the server may write to', async () => {
    const files = {
      ...strict,
      '/proc/meminfo': meminfo(64, 60, [16, 9]),
      '/proc/7/status': `VmData:\t${8 * 2 ** 20} kB\nVmStk:\t132 kB\n`,
    }
    const check = await look('overcommit', files, { pid: '7', residentBytes: 4 * GIB })
    expect(check).toMatchObject({ status: 'fail', found: expect.stringContaining('8.0 GiB are needed') as string })
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
  const THP = '/sys/kernel/mm/transparent_hugepage'
  const core = (limit: string, pattern?: string): Files => ({
    '/proc/self/limits': `Limit   Soft Limit   Hard Limit   Units\nMax core file size   ${limit}   unlimited   bytes\n`,
    ...(pattern === undefined ? {} : { '/proc/sys/kernel/core_pattern': `${pattern}\n` }),
  })
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
    ['few processes left by both limits', 'limit-processes', { ...IN_SERVICE, [`${SERVICE}/pids.max`]: '20\n', [`${SERVICE}/pids.current`]: '15\n', '/proc/self/limits': 'Max processes   12   12   processes\n', '/proc/self/status': 'Uid:\t7\t7\n', '/proc/5/status': 'Uid:\t7\t7\nThreads:\t5\n' }, 'fail', /is 12, and the user has 5 .*15 of 20.*fewer than 8 are left/], // prettier-ignore
    ['a limit that does not hold for root', 'limit-processes', { '/proc/self/limits': 'Max processes   12   12   processes\n', '/proc/self/status': 'Uid:\t0\t0\n', '/proc/self/uid_map': '         0          0 4294967295\n' }, 'ok', /not hold for root/], // prettier-ignore
    ['and holds for the root of a container without root', 'limit-processes', { '/proc/self/limits': 'Max processes   12   12   processes\n', '/proc/self/status': 'Uid:\t0\t0\n', '/proc/self/uid_map': '0 1000 1\n1 100000 65536\n', '/proc/5/status': 'Uid:\t0\t0\nThreads:\t5\n' }, 'fail', /the user has 5 /], // prettier-ignore
    ['few processes left, v1', 'limit-processes', { ...V1, '/sys/fs/cgroup/pids/pids.max': '20\n', '/sys/fs/cgroup/pids/pids.current': '15\n' }, 'fail', /15 of 20/], // prettier-ignore
    ['a heap of which nothing is known', 'heap-limit', limited('/sys/fs/cgroup', 1, 0), 'skipped', /another machine/],
    ['a group that cannot be seen', 'oom-group', {}, 'skipped', /cannot be seen/],
    ['the topmost group of a machine', 'oom-group', { '/sys/fs/cgroup/cgroup.procs': '1\n' }, 'ok', /not set/],
    [
      'core dumps into files',
      'limit-core',
      core('unlimited', 'core'),
      'warn',
      /RLIMIT_CORE is unlimited, and dumps become files/,
    ],
    ['short core dumps into files', 'limit-core', core('1048576', '/var/crash/%p'), 'warn', /RLIMIT_CORE is 1.0 MiB/],
    [
      'core dumps for a program',
      'limit-core',
      core('unlimited', '|/lib/systemd/systemd-coredump %P'),
      'ok',
      /to a program/,
    ],
    ['no core dumps', 'limit-core', core('0', 'core'), 'ok', /no core dumps/],
    ['core dumps of which nobody knows where they go', 'limit-core', core('unlimited'), 'skipped', /cannot be read/],
    [
      'huge pages for nobody, at their size',
      'huge-pages',
      { [`${THP}/hugepages-2048kB/enabled`]: 'always inherit madvise [never]' },
      'warn',
      /"never"/,
    ],
    [
      'huge pages as the general setting says',
      'huge-pages',
      {
        [`${THP}/hugepages-2048kB/enabled`]: 'always [inherit] madvise never',
        [`${THP}/enabled`]: '[always] madvise never',
      },
      'warn',
      /"always"/,
    ],
    [
      'huge pages that are larger here',
      'huge-pages',
      { [`${THP}/hpage_pmd_size`]: '33554432\n', [`${THP}/hugepages-32768kB/enabled`]: '[never]' },
      'warn',
      /"never"/,
    ],
    [
      'huge pages for others only',
      'huge-pages',
      { '/proc/self/status': 'THP_enabled:\t0\n' },
      'warn',
      /for this process/,
    ],
  ])('%s', async (_name, id, files, status, found) => {
    expect(await look(id, files)).toMatchObject({ status, found: expect.stringMatching(found) as string })
  })
})

import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { addonFiles } from '../../src/addon-files'
import type { Check } from '../../src/cli/doctor/check'
import { inPipe, inTerminal, type RunOptions, uncoloured } from '../helpers/cli'
import { asOwnUser, reasonAgainstLimits, reasonAgainstOwnUser } from '../helpers/own-user'
import { itUnless } from '../helpers/store-fixture'

/** `forksnap doctor` under what can be set up wrongly here, and the answer that it gives. */

const root = join(__dirname, '../..')
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'forksnap-doctor-'))
})

afterAll(() => rmSync(folder, { recursive: true }))

interface Answer {
  readonly ok: boolean
  readonly status: string
  readonly code: number | null
  /** By id. */
  readonly checks: Readonly<Record<string, Check>>
}

async function doctor(args: readonly string[] = [], options: RunOptions = {}): Promise<Answer> {
  const { out, err, code } = await inPipe(['doctor', '--json', ...args], options)
  if (out === '') throw new Error(err)
  const { ok, status, checks } = JSON.parse(out) as { ok: boolean; status: string; checks: Check[] }
  return { ok, status, code, checks: Object.fromEntries(checks.map((check) => [check.id, check])) }
}

function statuses({ checks }: Answer, ...ids: readonly string[]): Record<string, string> {
  return Object.fromEntries(ids.map((id) => [id, checks[id].status]))
}

const FAILED = { ok: false, status: 'fail', code: 1 }

it('says of each check why it matters, and how to mend what is wrong', async () => {
  const { checks, ok, code } = await doctor(['--state-bytes', '1KiB'])
  expect(code).toBe(ok ? 0 : 1)
  expect(Object.keys(checks).length).toBeGreaterThan(18)
  for (const { status, found, why, mend } of Object.values(checks)) {
    expect(why.length).toBeGreaterThan(20)
    expect(found).not.toBe('')
    expect(mend === undefined).toBe(status === 'ok' || status === 'skipped')
  }
  const healthy = { node: 'ok', 'node-flags': 'ok', addon: 'ok', memory: 'ok', postgres: 'skipped' }
  expect(statuses({ checks } as Answer, ...Object.keys(healthy))).toEqual(healthy)
})

it('a pipe gets a line for each check, a terminal the reason and the remedy too', async () => {
  const args = ['doctor', '--slices', join(folder, 'none')]
  const [piped, shown] = await Promise.all([inPipe(args), inTerminal(args)])
  expect([piped.code, shown.code]).toEqual([1, 1])
  expect(piped.out).toMatch(/^fail\tdisk-slices\t.* does not exist\tsee the path/m)
  expect(uncoloured(shown.out)).toMatch(
    /^fail +disk-slices +.* does not exist\n +why: A slice must.*\n +mend: see the path/m,
  )
  expect(uncoloured(shown.out)).toMatch(/\d+ ok, \d+ warn, [1-9]\d* fail, \d+ skipped\n$/)
})

describe('options of Node', () => {
  it('--jitless, and a heap larger than the memory', async () => {
    const answer = await doctor([], { nodeOptions: ['--jitless', '--max-old-space-size=99999999'] })
    expect(answer).toMatchObject(FAILED)
    const jitless = process.version.startsWith('v20.') ? 'fail' : 'warn'
    expect(statuses(answer, 'node-flags', 'heap-limit')).toEqual({ 'node-flags': jitless, 'heap-limit': 'fail' })
  })

  it('--no-addons, in NODE_OPTIONS too', async () => {
    const answer = await doctor([], { env: { NODE_OPTIONS: '--no-addons' } })
    expect(answer).toMatchObject(FAILED)
    expect(statuses(answer, 'node-flags', 'addon')).toEqual({ 'node-flags': 'fail', addon: 'fail' })
  })

  it('what is only slow or an experiment warns, which --strict makes a failure', async () => {
    const options = { nodeOptions: ['--single-threaded', '--frozen-intrinsics'] }
    const strict = await doctor(['--strict'], options)
    expect(strict).toMatchObject({ ok: false, code: 1 })
    expect(strict.checks['node-flags']).toMatchObject({
      status: 'warn',
      found: expect.stringMatching(/--single-threaded .*--frozen-intrinsics/) as string,
    })
  })

  it('the permission model without addons', async () => {
    const [major, minor] = process.versions.node.split('.').map(Number)
    const name = major > 22 || (major === 22 && minor >= 13) ? '--permission' : '--experimental-permission'
    const answer = await doctor([], { nodeOptions: [name, '--allow-fs-read=*'] })
    expect(answer).toMatchObject(FAILED)
    expect(answer.checks['node-flags'].found).toMatch(/without --allow-addons.*without --allow-child-process/)
    expect(answer.checks.addon.status).toBe('fail')
  })
})

it('a missing addon, with which reading still works', async () => {
  const bare = join(folder, 'bare')
  // The package without what was built for it.
  cpSync(join(root, 'dist/src'), join(bare, 'dist/src'), { recursive: true })
  writeFileSync(join(bare, 'package.json'), '{"version":"0"}')
  symlinkSync(join(root, 'node_modules'), join(bare, 'node_modules'))
  const cli = join(bare, 'dist/src/cli/main.js')
  const [answer, list, bench] = await Promise.all([
    doctor([], { cli }),
    inPipe(['list', folder], { cli }),
    inPipe(['bench'], { cli }),
  ])
  expect(answer).toMatchObject(FAILED)
  expect(statuses(answer, 'addon', 'packed-heap')).toEqual({ addon: 'fail', 'packed-heap': 'warn' })
  expect(list.code).toBe(0)
  expect(bench).toMatchObject({ code: 1, err: expect.stringContaining('ERR_UNSUPPORTED_PLATFORM') as string })
})

it('an addon that was asked for, and one that is passed over', async () => {
  const broken = join(folder, 'broken.node')
  writeFileSync(broken, 'none')
  const [asked, ...passedOver] = await Promise.all(
    [relative('', addonFiles()[0]), join(folder, 'none.node'), broken].map((file) =>
      doctor([], { env: { FORKSNAP_ADDON: file } }),
    ),
  )
  expect(asked.checks.addon.status).toBe('ok')
  expect(passedOver.map(({ checks }) => checks.addon)).toMatchObject([
    {
      status: 'warn',
      found: expect.stringMatching(/FORKSNAP_ADDON names, .*none\.node: there is no such file$/) as string,
    },
    { status: 'warn', found: expect.stringMatching(/FORKSNAP_ADDON names, .*broken\.node: it is no addon/) as string },
  ])
})

it('a C library that is not glibc, of which Node says nothing', async () => {
  const musl = join(folder, 'musl.cjs')
  // All that tells it is this field of Node's report, which is missing there.
  writeFileSync(
    musl,
    `const { getReport } = process.report
     process.report.getReport = () => {
       const report = getReport.call(process.report)
       delete report.header.glibcVersionRuntime
       return report
     }`,
  )
  const [{ checks }, here] = await Promise.all([doctor([], { nodeOptions: ['-r', musl] }), doctor()])
  expect(checks.libc).toMatchObject({ status: 'warn', mend: expect.stringContaining('an image with glibc') as string })
  expect(checks['packed-heap']).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('needs the GNU C library') as string,
  })
  expect(here.checks.libc).toMatchObject({ status: 'ok', found: expect.stringMatching(/^glibc \d+\.\d+$/) as string })
})

describe('limits', () => {
  itUnless(reasonAgainstLimits, 'of open files, address space and file size', async () => {
    const limits = ['prlimit', '--nofile=50', `--as=${2 ** 40}`, `--fsize=${2 ** 20}`, '--core=0']
    const answer = await doctor(['--state-bytes', '2MiB'], { before: limits })
    expect(answer).toMatchObject(FAILED)
    const ids = ['limit-files', 'limit-address-space', 'limit-file-size']
    expect(statuses(answer, ...ids)).toEqual(Object.fromEntries(ids.map((id) => [id, 'fail'])))
    expect(answer.checks['limit-core']).toMatchObject({ status: 'ok', found: 'no core dumps' })
  })

  itUnless(reasonAgainstOwnUser, 'of processes and of core dumps', async () => {
    // Node has about ten threads.
    const [few, many] = await Promise.all(
      [14, 500].map((count) => doctor([], { before: ['prlimit', `--nproc=${count}`, '--core=1048576', ...asOwnUser] })),
    )
    expect(few.checks['limit-processes']).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('14') as string,
    })
    expect(many.checks['limit-processes'].status).toBe('ok')
    // What takes the dumps is up to this machine.
    const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8')
    expect(few.checks['limit-core']).toMatchObject(
      pattern.startsWith('|')
        ? { status: 'ok' }
        : { status: 'warn', found: 'RLIMIT_CORE is 1.0 MiB, and dumps become files' },
    )
  })
})

it('a running server: its memory, its options and its limits', async () => {
  const { checks } = await doctor(['--pid', String(process.pid)])
  expect(checks.memory.found).toMatch(/a state of \d+\.\d MiB in memory|a state of \d+\.\d GiB in memory/)
  expect(checks['limit-files'].status).toBe('ok')
  const none = await inPipe(['doctor', '--pid', '4194304'])
  expect(none).toMatchObject({ code: 1, err: 'forksnap: There is no process 4194304\n' })
})

describe('directories', () => {
  it.each(['--slices', '--log'])('%s without a name', async (option) => {
    expect(await inPipe(['doctor', option, ''])).toMatchObject({
      code: 2,
      err: 'forksnap: --slices and --log need the name of a directory\n',
    })
  })

  it('one disk for both, and one that others can write to', async () => {
    const [slices, log] = ['slices', 'open'].map((name) => join(folder, name))
    mkdirSync(slices, { mode: 0o700 })
    mkdirSync(log)
    chmodSync(log, 0o777)
    const { checks } = await doctor(['--slices', slices, '--log', log])
    expect(statuses({ checks } as Answer, 'disk-shared', 'disk-log')).toEqual({
      'disk-shared': 'warn',
      'disk-log': 'fail',
    })
    expect(checks['disk-log'].found).toContain('ERR_UNSAFE_PATH')
  })

  it('slices that cannot be listed fail one check, and the others are told', async () => {
    const slices = join(folder, 'odd')
    mkdirSync(slices, { mode: 0o700 })
    writeFileSync(join(slices, 'epoch'), 'none', { mode: 0o600 })
    const { checks } = await doctor(['--slices', slices])
    expect(checks['disk-slices']).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('holds no epoch') as string,
    })
    expect(checks.postgres.status).toBe('skipped')
  })

  itUnless(reasonAgainstOwnUser, 'where this user may not look', async () => {
    const paths = ['slices', 'log'].map((name) => join(folder, name))
    const answer = await doctor(['--slices', paths[0], '--log', paths[1]], { before: asOwnUser })
    expect(statuses(answer, 'disk-slices', 'disk-log', 'disk-shared')).toEqual({
      'disk-slices': 'fail',
      'disk-log': 'fail',
      'disk-shared': 'skipped',
    })
  })

  const TMPFS = 0x01021994
  const memory = '/dev/shm'
  const reason = statfsSync(memory, { bigint: false }).type === TMPFS ? null : 'without a tmpfs'
  itUnless(reason, 'a disk in memory', async () => {
    const slices = mkdtempSync(join(memory, 'forksnap-doctor-'))
    try {
      const { checks } = await doctor(['--slices', slices])
      expect(checks['disk-slices']).toMatchObject({ status: 'fail', found: expect.stringContaining('tmpfs') as string })
    } finally {
      rmSync(slices, { recursive: true })
    }
  })
})

it('reads another machine from a copy of its files', async () => {
  const copy = join(folder, 'copy')
  mkdirSync(join(copy, 'proc/sys/vm'), { recursive: true })
  writeFileSync(join(copy, 'proc/sys/vm/overcommit_memory'), '2\n')
  const { checks } = await doctor(['--root', copy])
  expect(statuses({ checks } as Answer, 'overcommit', 'kernel', 'addon')).toEqual({
    overcommit: 'warn',
    kernel: 'skipped',
    addon: 'skipped',
  })
})

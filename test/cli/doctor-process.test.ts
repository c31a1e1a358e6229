import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Check } from '../../src/cli/doctor/check'
import { packedHeapLibrary } from '../../src/packed-heap'
import { CLI, inPipe } from '../helpers/cli'
import { type Files, GIB, limited, look, removeMachines } from '../helpers/doctor'
import { itUnless } from '../helpers/store-fixture'

/** What `forksnap doctor --pid` sees of a server, and what it cannot see. */

afterAll(removeMachines)

const server = ['server.js', '--no-addons']
const LIMITS = 'Limit   Soft Limit   Hard Limit   Units\nMax open files            256     4096     files\n'

function process7(cmdline: string, environ?: string): Files {
  return {
    '/proc/7/cmdline': cmdline,
    ...(environ === undefined ? {} : { '/proc/7/environ': environ }),
    '/proc/7/cgroup': '0::/\n',
    '/proc/7/limits': LIMITS,
  }
}

const of = (command: readonly string[], options = ''): Files =>
  process7(['/usr/bin/node', ...command, ''].join('\0'), `PATH=/bin\0NODE_OPTIONS=${options}\0`)

type Row = readonly [name: string, files: Files, status: string, found: RegExp]

describe('options', () => {
  const title = (text: string, options = '') => process7(text, `PATH=/bin\0NODE_OPTIONS=${options}\0`)
  const empty = '\0'.repeat(20)
  // prettier-ignore
  const rows: Row[] = [
    ['those of its script are not its own', of(server), 'ok', /^no options$/],
    ['its command line', of(['-r', 'forksnap/worker', '--no-addons', ...server]), 'fail', /--no-addons/],
    ['a value that is no script', of(['--env-file', '.env', '--no-addons', ...server]), 'fail', /--no-addons/],
    ['a script from standard input', of(['-', '--no-addons']), 'ok', /^no options$/],
    ['its NODE_OPTIONS', of(server, '--require "./a b.js" --single_threaded'), 'warn', /--single-threaded/],
    ['what the command line takes back', of(['--addons', ...server], '--no-addons'), 'ok', /nothing wrong/],
    ['several that are wrong', of(['--single-threaded', '--no-addons', 'a.js']), 'fail', /--no-addons keeps.*; --single-threaded makes/],
    ['what fails is told first', of(['--single-threaded', '--permission', 'a.js']), 'fail', /without --allow-addons.*; --single-threaded/],
    ['the permission model', of(['--permission', 'a.js']), 'fail', /without --allow-addons.*without --allow-child-process/],
    ['node alone', process7('node\0', ''), 'ok', /^no options$/],
    ['an empty last argument', of(['server.js', '']), 'ok', /^no options$/],
    ['a title', title(`exchange${empty}`), 'skipped', /overwritten its command line with a title, "exchange".*no options$/],
    ['a title like that of pm2', title(`node /srv/exchange.js${empty}`), 'skipped', /overwritten/],
    ['a title that is the name of the program', title(`node${empty}`), 'skipped', /overwritten/],
    ['a title as long as the command line was', title('exchange of the north\0'), 'skipped', /overwritten/],
    ['a title, and an option that is wrong whatever it hides', title(`exchange${empty}`, '--no-addons'), 'fail', /--no-addons/],
    ['a title that may hide what is lacking', title(`exchange${empty}`, '--permission'), 'skipped', /overwritten.*--permission$/],
    ['the program of its own name', { ...title('exchange\0'), '/proc/7/exe': { to: '/opt/exchange (deleted)' } }, 'ok', /^no options$/],
    ['an environment that may not be read', process7('node\0server.js\0'), 'skipped', /environment of process 7 cannot be read/],
    ['an environment that was written over', process7('node\0server.js\0', `exchange${empty}`), 'skipped', /overwritten its environment/],
    ['an environment of NULs', process7('node\0server.js\0', empty), 'skipped', /overwritten its environment/],
    ['no environment', process7('node\0server.js\0', ''), 'ok', /^no options$/],
    ['a process that has ended', process7('', ''), 'skipped', /command line of process 7 cannot be read/],
  ]
  it.each(rows)('%s', async (_name, files, status, found) => {
    const check = await look('node-flags', files, { pid: '7' })
    expect(check).toMatchObject({ status, found: expect.stringMatching(found) as string })
  })
})

describe('the limit of its heap', () => {
  const heap = (size: number) => of([`--max-old-space-size=${size}`, ...server])
  // prettier-ignore
  const rows: Row[] = [
    ['beyond the memory of the machine', heap(70000), 'fail', /68.4 GiB, of 64.0 GiB/],
    ['beyond the limit of its group', { ...heap(2048), ...limited('/sys/fs/cgroup', 1, 0) }, 'fail', /2.0 GiB, of 1.0 GiB.*memory.max/],
    ['beyond where its group is slowed down', { ...heap(2048), ...limited('/sys/fs/cgroup', 9, 0), '/sys/fs/cgroup/memory.high': `${GIB}\n` }, 'fail', /2.0 GiB, of 1.0 GiB.*memory.high/],
    ['one that leaves nothing', heap(60000), 'warn', /58.6 GiB/],
    ['one that fits', of(server, '--max-old-space-size=8192'), 'ok', /8.0 GiB/],
    ['too small for the state', of(server, '--max-old-space-size=2048'), 'warn', /the state has 4.0/],
    ['the default', of(server), 'skipped', /no --max-old-space-size/],
    ['behind a title', process7('exchange\0\0\0\0', 'NODE_OPTIONS=--max-old-space-size=99999\0'), 'skipped', /title.*not known/],
  ]
  it.each(rows)('%s', async (_name, files, status, found) => {
    const check = await look('heap-limit', files, { pid: '7' })
    expect(check).toMatchObject({ status, found: expect.stringMatching(found) as string })
  })

  it('is large enough for what is in memory already, in the heap or beside it', async () => {
    const check = await look('heap-limit', heap(2048), { pid: '7', residentBytes: 4 * GIB })
    expect(check.status).toBe('ok')
  })
})

it('its other limits', async () => {
  const check = await look('limit-files', of(server), { pid: '7' })
  expect(check).toMatchObject({ status: 'warn', found: expect.stringContaining('256') as string })
})

describe('a process that runs', () => {
  const running: ChildProcess[] = []

  afterAll(() => {
    for (const child of running) child.kill('SIGKILL')
  })

  async function started(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const child = spawn(command[0], command.slice(1), {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    running.push(child)
    await once(child.stdout, 'data')
    return String(child.pid)
  }

  async function checksOf(pid: string): Promise<Record<string, Check>> {
    const { checks } = JSON.parse((await inPipe(['doctor', '--json', '--pid', pid])).out) as { checks: Check[] }
    return Object.fromEntries(checks.map((check) => [check.id, check]))
  }

  const code = (title: string) => `${title}; console.log('ready'); process.stdin.resume()`
  const node = (...args: readonly string[]) => [process.execPath, ...args]

  it('shows its options until it has a title, and NODE_OPTIONS even then', async () => {
    const pids = await Promise.all([
      started(node('--no-addons', '-e', code(''))),
      started(node('--no-addons', '-e', code('process.title = "exchange"'))),
      started(node('--no-addons', '-e', code('process.title = "exchange ".repeat(99)'))),
      started(node('--title=exchange', '-e', code('')), { NODE_OPTIONS: '--no-addons' }),
    ])
    const flags = (await Promise.all(pids.map(checksOf))).map((checks) => checks['node-flags'])
    expect(flags.map(({ status }) => status)).toEqual(['fail', 'skipped', 'skipped', 'fail'])
    expect(flags[1].found).toContain(`process ${pids[1]} has overwritten its command line with a title, "exchange"`)
  })

  const library = packedHeapLibrary()
  itUnless('problem' in library ? library.problem : null, 'has its heap packed, or could have', async () => {
    const server = node('-e', code(''))
    const pids = await Promise.all([started(server), started(node(CLI, 'exec', '--', ...server))])
    const found = (await Promise.all(pids.map(checksOf))).map((checks) => checks['packed-heap'].found)
    expect(found).toEqual([expect.stringMatching(/^available/), `loaded in process ${pids[1]}`])
  })

  it('is this Node, or another program, such as the shell that has started the server', async () => {
    const pids = await Promise.all([started(node('-e', code(''))), started(['sh', '-c', 'echo ready; read line'])])
    const [same, other] = (await Promise.all(pids.map(checksOf))).map(({ node }) => node)
    expect(same.status).toBe('ok')
    expect(other).toMatchObject({ status: 'warn', found: expect.stringMatching(/runs another program, \//) as string })
  })
})

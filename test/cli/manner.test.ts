import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CLI, inPipe, inTerminal, uncoloured } from '../helpers/cli'
import { shellProblems } from '../helpers/shell-blocks'
import { publish, StoreBench } from '../helpers/store-slices'

/** How the command line behaves whatever the command: help, wrong usage, colours, pipes that end, signals, secrets. */

const bench = new StoreBench()
let slices = ''
const ROWS = 200_000

beforeAll(async () => {
  const store = await bench.started()
  await publish(store, { rows: ROWS, width: 50 })
  slices = store.directory
})

afterAll(() => bench.cleanUp())

const COMMANDS = ['doctor', 'list', 'inspect', 'verify', 'export', 'load', 'log', 'bench', 'exec']

it('helps: with every command, and with examples for each', async () => {
  const { out, code } = await inPipe(['--help'])
  expect(code).toBe(0)
  for (const command of COMMANDS) expect(out).toMatch(new RegExp(`^  ${command} `, 'm'))
  const leaves = [...COMMANDS.filter((command) => command !== 'log' && command !== 'exec')].map((command) => [command])
  leaves.push(['log', 'inspect'], ['log', 'verify'], ['log', 'show'])
  const helps = await Promise.all(leaves.map((leaf) => inPipe([...leaf, '--help'])))
  helps.forEach((help, index) => {
    const example = expect.stringContaining(`$ forksnap ${leaves[index].join(' ')}`) as string
    expect(help).toMatchObject({ code: 0, err: '', out: example })
    const examples = help.out.match(/^ {2}\$ .*$/gm) ?? []
    expect(examples.flatMap((line) => shellProblems(line.trim(), 'console'))).toEqual([])
  })
  expect((await inPipe(['help', 'exec'])).out).toContain('--require')
  expect((await inPipe(['help', 'log', 'verify'])).out).toContain('--repair')
})

it('tells its version', async () => {
  const { version } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as { version: string }
  expect(await inPipe(['--version'])).toMatchObject({ code: 0, out: `${version}\n`, err: '' })
})

it.each([
  { args: [], says: 'Usage: forksnap' },
  { args: ['lst'], says: 'Did you mean list?' },
  { args: ['help', 'lst'], says: 'Did you mean list?' },
  { args: ['export', '.', '--output', ''], says: '--output needs the name of a file' },
  { args: ['list'], says: "missing required argument 'where'" },
  { args: ['verify', '.', '--slice', 'x'], says: 'a whole number from 0' },
  { args: ['export', '.', '--format', 'xml'], says: 'csv, jsonl, copy' },
  { args: ['log', 'verify', '.', '--backup', '.'], says: '--backup belongs to --repair' },
  { args: ['list', '.', '--name', 'other'], says: '--name belongs to a postgres:// URL' },
  { args: ['verify', '.', '--schema', 'other'], says: '--schema belongs to a postgres:// URL' },
  { args: ['doctor', '--state-bytes', 'much'], says: 'such as 500MB' },
  { args: ['doctor', '--schema', 'other'], says: '--schema belongs to --postgres' },
])('wrong usage is told on standard error and ends with 2: $args', async ({ args, says }) => {
  expect(await inPipe(args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(says) as string })
})

it('is coloured on a terminal, and there only as far as NO_COLOR and TERM allow', async () => {
  const [coloured, plain, dumb] = await Promise.all([
    inTerminal(['list', slices]),
    inTerminal(['list', slices], { env: { NO_COLOR: '1' } }),
    inTerminal(['verify', slices], { env: { TERM: 'dumb' } }),
  ])
  expect(coloured.out).toContain('\x1b[32mreadable')
  expect(uncoloured(coloured.out)).toBe(plain.out)
  expect(plain.out).not.toContain('\x1b')
  expect(dumb.out).not.toContain('\x1b')
})

it('shows a bar on a terminal that fits it and is gone at the end', async () => {
  const { out, code } = await inTerminal(['verify', slices], { setup: 'stty cols 50' })
  const [bar, ...rest] = out.split('\r\x1b[K').filter((part) => part !== '')
  expect({ code, bar }).toEqual({ code: 0, bar: expect.stringMatching(/^slice 1 \[[#-]{24}\] +\d+%/) as string })
  expect(bar.length).toBeLessThan(50)
  expect(uncoloured(rest.at(-1) ?? '')).toMatch(/^ID\s/)
  expect((await inTerminal(['verify', slices, '--no-progress'])).out).not.toContain('[K')
})

it('a reader that goes away early ends it without a word', async () => {
  const child = spawn(process.execPath, [CLI, 'export', slices], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  await once(child.stdout, 'data')
  child.stdout.destroy()
  expect([await once(child, 'close'), said]).toEqual([[141, null], ''])
})

it('a signal ends it as that signal does, and no half file stays', async () => {
  const folder = bench.directory()
  const args = ['export', slices, '--output', join(folder, 'rows.csv')]
  // Once the file is begun; it takes far longer to be whole.
  const child = spawn(process.execPath, [CLI, ...args], { stdio: 'ignore' })
  const ended = once(child, 'close')
  while (readdirSync(folder).length === 0 && child.exitCode === null)
    await new Promise((resolve) => setImmediate(resolve))
  child.kill('SIGINT')
  expect(await ended).toEqual([null, 'SIGINT'])
  expect(readdirSync(folder)).toEqual([])
})

it('never shows a password', async () => {
  const url = (password: string): string => `postgres://app:${password}@127.0.0.1:1/exchange`
  const passwords = ['s3cret/w@rd', 's3cret%2Fw%40rd', 's3cret']
  const commands = passwords.flatMap((password) => [
    ['list', url(password)],
    ['nothing', url(password)],
  ])
  commands.push(
    ['log', 'verify', url('s3cret')],
    ['doctor', '--postgres', url('s3cret')],
    ['load', '/no', url('s3cret')],
  )
  commands.push(['list', 'mysql://app:s3cret@db/x'])
  for (const ran of await Promise.all(commands.map((args) => inPipe(args)))) {
    expect(ran.code).toBeGreaterThan(0)
    expect(ran.out + ran.err).not.toMatch(/s3cret/)
  }
})

describe('forksnap bench', () => {
  it('measures the pause, and refuses what the memory is too small for', async () => {
    const [measured, shown, tooLarge, absurd] = await Promise.all([
      inPipe(['bench', '--objects', '2000', '--runs', '2', '--json']),
      inTerminal(['bench', '--objects', '2000', '--runs', '1']),
      inPipe(['bench', '--objects', '1000000'], { nodeOptions: ['--max-old-space-size=64'] }),
      inPipe(['bench', '--objects', String(Number.MAX_SAFE_INTEGER)]),
    ])
    const { pauseMs, forkMs, longestGapMs, childDelay, residentBytes } = JSON.parse(measured.out) as {
      [figure in 'pauseMs' | 'forkMs' | 'longestGapMs']: number[]
    } & { childDelay: object[]; residentBytes: number }
    expect([pauseMs, forkMs, longestGapMs, childDelay].map(({ length }) => length)).toEqual([2, 2, 2, 2])
    expect([pauseMs[0] >= forkMs[0], longestGapMs[0] >= pauseMs[0], residentBytes > 1e6]).toEqual([true, true, true])
    expect(Object.keys(childDelay[0])).toEqual(['longestGapMs', 'p50Ms', 'p99Ms', 'p999Ms'])
    for (const name of ['pause', 'longest gap', 'delay p99'])
      expect(uncoloured(shown.out)).toMatch(new RegExp(`^${name}_ms +\\d+\\.\\d\\d \\(median of 1`, 'm'))
    expect(absurd).toMatchObject({ code: 1, err: expect.stringMatching(/can be had.*; measure fewer\n$/) as string })
    expect(tooLarge).toMatchObject({ code: 1, err: expect.stringMatching(/--max-old-space-size=\d+/) as string })
  })
})

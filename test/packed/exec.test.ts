import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packedHeapLibrary } from '../../src/packed-heap'

const root = join(__dirname, '../..')
const program = join(root, 'dist/src/cli/main.js')
/** The package without what was built for it. */
const bare = mkdtempSync(join(tmpdir(), 'forksnap-exec-'))
const bareProgram = join(bare, 'dist/src/cli/main.js')

beforeAll(() => {
  cpSync(join(root, 'dist/src'), join(bare, 'dist/src'), { recursive: true })
  writeFileSync(join(bare, 'package.json'), '{}')
  symlinkSync(join(root, 'node_modules'), join(bare, 'node_modules'))
})
afterAll(() => rmSync(bare, { recursive: true }))

function run(command: string, args: readonly string[]) {
  const { status, signal, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return { status, signal, stdout, stderr }
}

const forksnap = (args: readonly string[], cli = program) => run(process.execPath, [cli, ...args])
const node = (script: string): string[] => ['--', process.execPath, '-e', script]
/** In a shell; `forksnap` there is the command. */
const shell = (script: string, ...args: string[]) => run('/bin/sh', ['-c', `forksnap() { exec "${process.execPath}" "${program}" "$@"; }; ${script}`, '-', ...args]) // prettier-ignore

const packs = 'path' in packedHeapLibrary()
const onLinux = process.platform === 'linux' ? it : it.skip

// The latter cannot become its command, and starts it as a child.
describe.each([
  ['forksnap exec', program],
  ['forksnap exec without an addon', bareProgram],
])('%s', (_, cli) => {
  it('ends as its command does', () => {
    const ended = forksnap(['exec', ...node('console.log("out"); process.exit(7)')], cli)
    expect(ended).toMatchObject({ status: 7, stdout: 'out\n' })
    const killed = forksnap(['exec', ...node('process.kill(process.pid, "SIGTERM")')], cli)
    expect(killed).toMatchObject({ status: null, signal: 'SIGTERM' })
  })

  it('tells that there is no such program, or that it cannot be run', () => {
    const missing = forksnap(['exec', '--', '/no/such/program'], cli)
    expect(missing).toMatchObject({ status: 127, stdout: '' })
    expect(missing.stderr).toMatch(/forksnap: \/no\/such\/program could not be started: .*\n$/)
    const noProgram = forksnap(['exec', '--', root], cli)
    expect(noProgram).toMatchObject({ status: 126, stdout: '' })
    expect(noProgram.stderr).toContain('could not be started')
  })

  it('lets signals reach the command', async () => {
    const script = 'process.on("SIGTERM", () => process.exit(9)); setInterval(() => {}, 1000); console.log("ready")'
    const child = spawn(process.execPath, [cli, 'exec', ...node(script)])
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([9, null])
  })
})

describe('forksnap exec, which becomes the command', () => {
  it('keeps its pid, so that nothing outlives it', async () => {
    const child = spawn(process.execPath, [program, 'exec', ...node('console.log(process.pid)')])
    const [data] = (await once(child.stdout, 'data')) as [Buffer]
    expect(Number(data)).toBe(child.pid)
    await once(child, 'close')
  })

  onLinux('leaves no trace of Node in what the command inherits', () => {
    const signals = forksnap(['exec', '--', 'grep', '-E', '^Sig(Blk|Ign)', '/proc/self/status'])
    expect(signals.stdout).toMatch(/^SigBlk:\t0+\nSigIgn:\t0+\n$/)
    const { stdout } = forksnap(['exec', '--', 'cat', ...[0, 1, 2].map((fd) => `/proc/self/fdinfo/${fd}`)])
    const flags = [...stdout.matchAll(/^flags:\t(\d+)$/gm)].map(([, octal = '']) => parseInt(octal, 8))
    expect(flags.map((bits) => bits & 0o4000)).toEqual([0, 0, 0])
  })

  onLinux('hands the environment on byte for byte, and the sockets of its start', () => {
    const bytes = shell("export ODD=$(printf '\\377='); forksnap exec -- sh -c 'printf %s \"$ODD\" | od -An -tx1'")
    expect(bytes).toMatchObject({ stdout: ' ff 3d\n' })
    const sockets = `exec 3<"$1" 4<"$1"; export LISTEN_FDS=1 LISTEN_PID=$(($$ + $2)); forksnap exec -- sh -c 'cat <&3; cat <&4'`
    const file = join(bare, 'package.json')
    expect(shell(sockets, file, '0')).toMatchObject({ stdout: '{}' })
    // Not its own.
    expect(shell(sockets, file, '1')).toMatchObject({ stdout: '' })
  })

  it('tells what is wrong with its arguments', () => {
    expect(forksnap(['exec', '--wrong', '--', 'true'])).toMatchObject({ status: 2, stdout: '' })
    expect(forksnap(['exec', 'true']).stderr).toContain('after "--"')
    expect(forksnap(['exec', '--']).stderr).toContain('the command to run is missing')
    expect(forksnap([])).toMatchObject({ status: 2 })
    expect(forksnap(['nothing']).stderr).toContain("unknown command 'nothing'")
    expect(forksnap(['--help'])).toMatchObject({ status: 0, stderr: '' })
    expect(forksnap(['exec', '--help']).stdout).toContain('--require')
  })
  ;(packs ? it : it.skip)('packs the heap of Node behind a shell too', () => {
    const addon = join(root, 'dist/src/binding.js')
    const script = `console.log(require(${JSON.stringify(addon)}).binding().packedHeapStats().liveBytes > 1e6)`
    const behind = ['--', '/bin/sh', '-c', '"$0" -e "$1"', process.execPath, script]
    expect(forksnap(['exec', '--require', ...behind])).toMatchObject({ status: 0, stdout: 'true\n', stderr: '' })
  })

  ;(packs ? it : it.skip)('--inherit reaches what the command starts, up to an inner exec without it', () => {
    const names = ['LD_PRELOAD', 'FORKSNAP_PACKED_HEAP', 'FORKSNAP_PACKED_HEAP_INHERIT']
    const own = `console.log(JSON.stringify(${JSON.stringify(names)}.map((name) => process.env[name] ?? null)))`
    // Whether its own heap is packed, and what the program that it starts finds in its environment.
    const script = `console.log(require(${JSON.stringify(join(root, 'dist/src/binding.js'))}).binding().packedHeapStats() !== null)
      require('child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(own)}], { stdio: 'inherit' })`
    const without = ['exec', ...node(script)]
    const cli = ['--', process.execPath, program]
    const none = JSON.stringify([process.env.LD_PRELOAD || null, null, null])
    const { path: library = '' } = packedHeapLibrary() as { path?: string }
    const preload = process.env.LD_PRELOAD ? `${process.env.LD_PRELOAD}:${library}` : library
    const all = JSON.stringify([preload, library, '1'])
    expect(forksnap(['exec', '--inherit', ...node(script)]).stdout).toBe(`true\n${all}\n`)
    expect(forksnap(['exec', '--inherit', ...cli, ...without]).stdout).toBe(`true\n${none}\n`)
    expect(forksnap(['exec', '--inherit', ...cli, 'exec', '--inherit', ...cli, ...without]).stdout).toBe(
      `true\n${none}\n`,
    )
    expect(forksnap(['exec', '--inherit', ...cli, 'exec', '--inherit', ...node(script)]).stdout).toBe(`true\n${all}\n`)
  })

  it('runs the command all the same where the heap cannot be packed, unless told not to', () => {
    const without = forksnap(['exec', ...node('process.exit(3)')], bareProgram)
    expect(without).toMatchObject({ status: 3 })
    expect(without.stderr).toMatch(/^forksnap: the heap is not packed: .*\n$/)
    const refused = forksnap(['exec', '--require', ...node('process.exit(3)')], bareProgram)
    expect(refused).toMatchObject({ status: 69 })
  })
})

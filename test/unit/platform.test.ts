import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assertSupported, isSupported, platformProblem } from '../../src/platform'

const on = (platform: string, node = 'v24.0.0', mainThread = true): string | undefined =>
  platformProblem(platform, node, mainThread)

/** Whether the ranges of package.json, each `^a.b.c` or `>=a.b.c`, admit a version. */
function admitted(version: string): boolean {
  const { engines } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as {
    engines: { node: string }
  }
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  return engines.node.split(' || ').some((range) => {
    const [, kind, ...numbers] = /^(\^|>=)(\d+)\.(\d+)\.(\d+)$/.exec(range) ?? []
    const [least = NaN, leastMinor = NaN, leastPatch = NaN] = numbers.map(Number)
    if (major !== least) return kind === '>=' && major > least
    return minor > leastMinor || (minor === leastMinor && patch >= leastPatch)
  })
}

describe('platformProblem', () => {
  it('says the same as the engines of package.json', () => {
    const lines = Array.from({ length: 16 }, (_, i) => i + 16)
    const versions = lines.flatMap((major) => [0, 11, 12, 19, 20, 21].map((minor) => `${major}.${minor}.0`))
    const refused = versions.filter((version) => on('linux', `v${version}`) !== undefined)
    expect(versions.filter((version) => !admitted(version))).toEqual(refused)
  })

  it.each(['linux', 'darwin'])('finds none on %s with a supported Node', (platform) => {
    const versions = ['20.20.0', '20.20.2', '22.12.0', '22.23.1', '24.0.0', '25.1.0', '26.10.0', '120.1.2']
    for (const version of versions) expect([version, on(platform, `v${version}`)]).toEqual([version, undefined])
    expect(on(platform, '22.12.0')).toBeUndefined()
  })

  it.each(['16.20.2', '18.20.4', '19.9.0', '20.19.6', '21.7.3', '22.0.0', '22.11.9', '23.11.0'])(
    'finds Node %s too old',
    (version) => {
      expect(on('linux', `v${version}`)).toBe(
        `Node.js v${version} is too old for forksnap: use 20.20, 22.12, 24 or newer.`,
      )
    },
  )

  it('says what to do on Windows, before anything else', () => {
    expect(on('win32', 'v16.0.0', false)).toMatch(/Windows has no fork\(\).*Linux container or WSL 2/)
  })

  it.each(['aix', 'freebsd', 'sunos', 'android'])('names a system that is not supported: %s', (platform) => {
    expect(on(platform)).toBe(`forksnap runs on Linux and macOS, not on ${platform}.`)
  })

  it('says what to do in a Worker', () => {
    expect(on('linux', 'v24.0.0', false)).toMatch(/main thread only.*"forksnap\/worker"/)
  })

  it('finds none here', () => {
    expect(() => assertSupported()).not.toThrow()
    expect(isSupported()).toBe(true)
  })
})

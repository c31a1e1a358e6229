import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** The root of the repository: this file runs from test/ in Jest and from dist/test/ in programs. */
export const root = ((): string => {
  let folder = __dirname
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
})()

const program = join(root, 'build', 'power', 'forgetful-fs')

/** What becomes of unsynced changes at a cut; for names, `first` keeps them up to some moment, `last` the last one. */
export type Fate = 'none' | 'all' | 'some' | 'first' | 'last' | 'any'

/** What a cut can be set to wait for: letters out of `w` (writes), `s` (syncs) and `n` (changes of names). */
export type Kinds = 'w' | 's' | 'n' | 'ws' | 'wn' | 'sn' | 'wsn'

/** Something that the disk will do at some request. */
export interface Armed {
  /** Resolves when it has done it. */
  readonly happened: Promise<void>
}

/**
 * Why no such disk can be had here, or undefined. Builds the program if need be.
 */
export function whyNoDisk(): string | undefined {
  if (process.platform !== 'linux') return 'FUSE is for Linux'
  if (process.geteuid?.() !== 0) return 'only root may mount a file system'
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch {
    return 'there is no /dev/fuse'
  }
  execFileSync(process.execPath, [join(root, 'scripts', 'build-power.mjs')], { stdio: 'inherit' })
  const folder = mkdtempSync(join(tmpdir(), 'forksnap-power-'))
  try {
    const { status, stderr } = spawnSync(program, ['--check', folder], { encoding: 'utf8' })
    return status === 0 ? undefined : stderr.trim()
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * A file system in memory that forgets what was not synced (test/power/native). It is mounted in a mount namespace of its
 * own process and seen through /proc, so nothing of it is left once that process has gone, however this one ends.
 */
export class ForgetfulDisk {
  /** Its root, for this process and those it starts. */
  readonly path: string
  readonly #folder: string
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #answers: ((line: string) => void)[] = []
  #happened: (() => void) | undefined
  #stderr = ''
  #ended: Error | undefined

  private constructor(folder: string) {
    this.#folder = folder
    this.#child = spawn(program, [folder], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.path = join('/proc', String(this.#child.pid), 'root', folder)
    this.#child.stderr.on('data', (data: Buffer) => (this.#stderr += data.toString()))
    this.#child.stdin.on('error', () => undefined) // Its end is told by `close`.
    createInterface(this.#child.stdout).on('line', (line) => this.#hear(line))
    this.#child.once('close', (code, signal) => {
      this.#ended = new Error(`The file system ended with ${signal ?? code}: ${this.#stderr}`)
      for (const answer of this.#answers.splice(0)) answer('')
    })
  }

  static async start(): Promise<ForgetfulDisk> {
    const disk = new ForgetfulDisk(mkdtempSync(join(tmpdir(), 'forksnap-power-')))
    await disk.#answer()
    return disk
  }

  /** The power goes now: from here on every call on the mount fails. The seed decides what unsynced changes are kept. */
  async cut(seed: number, names: Fate = 'any', data: Fate = 'any'): Promise<void> {
    await this.#ask(`cut ${seed} ${names} ${data}`)
  }

  /** The power goes at the `count`-th request of these kinds from now, or `more` requests of any kind after it. */
  arm(count: number, kinds: Kinds, more: number, seed: number): Promise<Armed> {
    return this.#awaitEvent(`arm ${count} ${kinds} ${more} ${seed}`)
  }

  /**
   * Stops right before that request is done. Whoever asks for it waits until it is killed; then `drop()` goes on without
   * it, the power being on all the time.
   */
  hold(count: number, kinds: Kinds, more: number): Promise<Armed> {
    return this.#awaitEvent(`hold ${count} ${kinds} ${more}`)
  }

  /** Takes back what was armed and has not happened; what happened before has been told when this resolves. */
  async disarm(): Promise<void> {
    await this.#ask('arm 0 wsn 0 0')
  }

  async drop(): Promise<void> {
    await this.#ask('drop')
  }

  /** Mounts what was kept. */
  async on(): Promise<void> {
    await this.#ask('on')
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Ends the file system, which may have ended before. */
  async stop(): Promise<void> {
    if (this.#ended === undefined) {
      const closed = once(this.#child, 'close')
      this.#child.stdin.end()
      await closed
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #hear(line: string): void {
    if (line === 'cut' || line === 'held') this.#happened?.()
    else this.#answers.shift()?.(line)
  }

  async #answer(): Promise<void> {
    const line = await new Promise<string>((resolve) => {
      if (this.#ended === undefined) this.#answers.push(resolve)
      else resolve('')
    })
    if (line === '') throw this.#ended ?? new Error('The file system gave no answer')
  }

  async #awaitEvent(command: string): Promise<Armed> {
    const happened = new Promise<void>((resolve) => (this.#happened = resolve))
    await this.#ask(command)
    return { happened }
  }

  async #ask(command: string): Promise<void> {
    this.#child.stdin.write(`${command}\n`)
    await this.#answer()
  }
}

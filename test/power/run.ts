import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { root } from './forgetful-disk'
import { type Line, PROGRAM_VARIABLE } from './lines'
import { Loss } from './model'

/** No program takes that long to notice that its disk is gone, or to close. */
const MS_MAX = 60_000

/** The programs whose power is cut; the last are the parts with a CommandStore. */
export type Program = 'engine' | 'parts' | 'command-parts'

const FILES: { readonly [program in Program]: string } = { engine: 'engine', parts: 'parts', 'command-parts': 'parts' }

/** One run of such a program, in a process of its own. */
export class Run {
  /** Resolves when it has told what it recovered, or has ended without. */
  readonly recovered: Promise<void>
  /** Resolves when it has ended and all that it told has been heard. */
  readonly ended: Promise<void>
  /** Resolves when it has done all that it was to do, or has ended before. */
  readonly done: Promise<void>
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #hear: (line: Line) => void
  #toldRecovered: () => void = () => undefined
  #toldDone: () => void = () => undefined
  #last: Line | undefined
  #loss: Error | undefined
  #stderr = ''
  #killed = false

  constructor(program: Program, args: readonly string[], env: NodeJS.ProcessEnv, hear: (line: Line) => void) {
    this.#hear = hear
    const path = join(root, 'dist', 'test', 'power', `${FILES[program]}.js`)
    const stdio: ['pipe', 'pipe', 'pipe'] = ['pipe', 'pipe', 'pipe']
    this.#child = spawn(process.execPath, [path, ...args], {
      stdio,
      env: { ...process.env, [PROGRAM_VARIABLE]: program, ...env },
    })
    this.#child.stdin.on('error', () => undefined) // Nothing is written there; its end tells that this process is gone.
    this.#child.stderr.on('data', (data: Buffer) => (this.#stderr += data.toString()))
    this.recovered = new Promise((resolve) => (this.#toldRecovered = resolve))
    this.done = new Promise((resolve) => (this.#toldDone = resolve))
    this.ended = this.#end()
  }

  kill(): void {
    this.#killed = true
    this.#child.kill('SIGKILL')
  }

  get wasKilled(): boolean {
    return this.#child.signalCode === 'SIGKILL'
  }

  /** It will kill itself, and that is as it should be. */
  mayBeKilled(): void {
    this.#killed = true
  }

  /**
   * Throws a `Loss` if it told something that cannot be, or ended as it may not: a start may be refused, and a log may
   * fail, only where the power was cut.
   */
  check(powerWasCut: boolean): void {
    if (this.#loss !== undefined) throw this.#loss
    const last = this.#last
    if (last?.tell === 'refused' && !powerWasCut) throw new Loss(`the start was refused: ${last.code}, ${last.message}`)
    if (last?.tell === 'stopped' && !powerWasCut) throw new Loss('the log stopped')
    const { exitCode, signalCode } = this.#child
    if (exitCode === 0 || (this.#killed && this.wasKilled)) return
    throw new Loss(`the program ended with ${signalCode ?? exitCode}: ${this.#stderr}`)
  }

  async #end(): Promise<void> {
    const closed = once(this.#child, 'close')
    const lines = createInterface(this.#child.stdout)
    const heard = once(lines, 'close')
    lines.on('line', (line) => this.#take(JSON.parse(line) as Line))
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), MS_MAX)
    await Promise.all([closed, heard])
    clearTimeout(timer)
    this.#toldRecovered()
    this.#toldDone()
  }

  #take(line: Line): void {
    if (this.#loss !== undefined) return
    this.#last = line
    try {
      this.#hear(line)
    } catch (error) {
      this.#loss = error as Error
      this.kill()
    }
    if (line.tell === 'recovered' || line.tell === 'started') this.#toldRecovered()
    if (line.tell === 'done') this.#toldDone()
  }
}

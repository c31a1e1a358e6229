import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { EngineSettings, Line } from './lines'
import { Loss } from './model'

/** No engine runs that long by itself; one that hangs is ended, and so found. */
const MS_MAX = 60_000
/** The repository's folder, seen from test/crash as well as from dist/test/crash. */
const root =
  [join(__dirname, '../..'), join(__dirname, '../../..')].find((path) => existsSync(join(path, 'dist'))) ?? ''

export interface RunOptions {
  /** The fixture program. */
  readonly program: string
  readonly settings: EngineSettings
  /** `FORKSNAP_FAILPOINT`. */
  readonly failpoint?: string
  /** File to which the failpoints are written that were passed. */
  readonly trace?: string
  /** Sees each line that the engine tells after it has told what it recovered; the engine is killed when it says so. */
  readonly killAt?: (line: Line) => boolean
  /** After so many milliseconds an engine hangs. Default 60,000. */
  readonly msMax?: number
}

/** How the run ended: killed by the test, at a failpoint, or by itself. */
export type RunEnd = 'killed' | 'failpoint' | 'closed' | 'refused'

/** Runs an engine to its end, and gives every line that it told to `hear`. Throws what `hear` throws. */
export async function runEngine(options: RunOptions, hear: (line: Line) => void): Promise<RunEnd> {
  const { program, settings, failpoint, trace, killAt, msMax = MS_MAX } = options
  const env: NodeJS.ProcessEnv = { ...process.env }
  if (failpoint !== undefined) env.FORKSNAP_FAILPOINT = failpoint
  if (trace !== undefined) env.FORKSNAP_FAILPOINT_TRACE = trace
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
  const path = join(root, 'dist/test/fixtures', `${program}.js`)
  const child = spawn(process.execPath, [path, JSON.stringify(settings)], { stdio, env })
  const heard = new Heard(child, hear, killAt)
  const timer = setTimeout(() => child.kill('SIGKILL'), msMax)
  await heard.ended
  clearTimeout(timer)
  return heard.end(failpoint !== undefined)
}

class Heard {
  /** Resolves when it has ended and all that it told has been heard; children of it that outlive it count, too. */
  readonly ended: Promise<unknown>
  #recovered = false
  #killed = false
  #last: Line | undefined
  #loss: unknown
  #stderr = ''

  constructor(
    private readonly child: ChildProcessByStdio<null, Readable, Readable>,
    private readonly hear: (line: Line) => void,
    private readonly killAt: RunOptions['killAt'],
  ) {
    const lines = createInterface(child.stdout)
    lines.on('line', (line) => this.#take(line))
    child.stderr.on('data', (data: Buffer) => (this.#stderr += data.toString()))
    this.ended = Promise.all([once(child, 'close'), once(lines, 'close')])
  }

  end(mayKillItself: boolean): RunEnd {
    if (this.#loss !== undefined) throw this.#loss as Error
    const { exitCode, signalCode } = this.child
    if (signalCode === 'SIGKILL' && this.#killed) return 'killed'
    if (signalCode === 'SIGKILL' && mayKillItself) return 'failpoint'
    if (exitCode === 0 && this.#last?.tell === 'refused') return 'refused'
    if (exitCode === 0 && this.#last?.tell === 'closed') return 'closed'
    throw new Loss(`the engine ended with ${signalCode ?? exitCode} after ${this.#last?.tell}: ${this.#stderr}`)
  }

  #take(text: string): void {
    if (this.#loss !== undefined) return
    try {
      // A line that the kill has cut short was not told.
      if (!text.endsWith('}')) return
      const line = JSON.parse(text) as Line
      this.#last = line
      this.hear(line)
      if (line.tell === 'recovered') this.#recovered = true
      else if (this.#recovered && this.killAt?.(line) === true) this.#kill()
    } catch (error) {
      this.#loss = error
      this.#kill()
    }
  }

  #kill(): void {
    this.#killed = true
    this.child.kill('SIGKILL')
  }
}

/** `killAt` for an engine that may tell so many lines more. */
export function afterLines(count: number): (line: Line) => boolean {
  let left = count
  return () => --left <= 0
}

/** Whether a failpoint was passed according to a trace. */
export function wasPassed(trace: string, failpoint: string): boolean {
  return existsSync(trace) && readFileSync(trace, 'latin1').split('\n').includes(failpoint)
}

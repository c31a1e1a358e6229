import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'

/** Starts fixture programs in processes of their own, talks to them line by line, and sees to it that they end. */

export interface FixtureOptions {
  /** Commands before Node, such as `setpriv ...`. */
  readonly before?: readonly string[]
  /** Options of Node. */
  readonly nodeOptions?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** In a process group of its own, whose leader the fixture is. */
  readonly detached?: boolean
}

export interface FixtureEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

const running = new Set<ChildProcess>()

// A test that failed must not leave its program behind.
afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
})

/** Path of a fixture: TypeScript ones are run as compiled, modules (.mjs) as they are. */
function fixturePath(name: string): string {
  const path = name.endsWith('.mjs')
    ? join(__dirname, '../fixtures', name)
    : join(__dirname, '../../dist/test/fixtures', `${name}.js`)
  if (!existsSync(path)) throw new Error(`${path} is missing: run npm run build first`)
  return path
}

export class Fixture {
  /** Settles when the program has ended and every process that shared its standard error is gone too. */
  readonly closed: Promise<FixtureEnd>
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  readonly #errorWaiting: (() => void)[] = []
  readonly #waiting: { match: RegExp; resolve: (line: string) => void; reject: (error: Error) => void }[] = []
  #stderr = ''
  #over = false

  constructor(name: string, args: readonly string[] = [], options: FixtureOptions = {}) {
    const command = [
      ...(options.before ?? []),
      process.execPath,
      ...(options.nodeOptions ?? []),
      fixturePath(name),
      ...args,
    ]
    const settings: SpawnOptions = {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      detached: options.detached ?? false,
    }
    this.#child = spawn(command[0] ?? '', command.slice(1), settings)
    running.add(this.#child)
    this.#child.stdin?.on('error', () => undefined)
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.#stderr += data.toString()
      for (const look of this.#errorWaiting.splice(0)) look()
    })
    if (this.#child.stdout !== null) createInterface(this.#child.stdout).on('line', (line) => this.#hear(line))
    this.closed = this.#waitForEnd()
    // Whoever waits for it hears of a failure; a test that does not must not crash the runner.
    this.closed.catch(() => undefined)
  }

  get over(): boolean {
    return this.#over
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async #waitForEnd(): Promise<FixtureEnd> {
    const [code, signal] = (await once(this.#child, 'close')) as [number | null, NodeJS.Signals | null]
    running.delete(this.#child)
    this.#over = true
    const end = { code, signal, stdout: this.#lines.join('\n'), stderr: this.#stderr }
    for (const look of this.#errorWaiting.splice(0)) look()
    for (const { match, reject } of this.#waiting) reject(new Error(`no line matched ${match}: ${JSON.stringify(end)}`))
    return end
  }

  #hear(line: string): void {
    this.#lines.push(line)
    for (const waiter of this.#waiting.filter(({ match }) => match.test(line))) {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
      waiter.resolve(line)
    }
  }

  /** The first line, past or to come, that matches. Rejects if the program ends without one. */
  line(match: RegExp): Promise<string> {
    const found = this.#lines.find((line) => match.test(line))
    if (found !== undefined) return Promise.resolve(found)
    if (this.#over) return Promise.reject(new Error(`no line matched ${match}; it said ${this.#lines.join(' | ')}`))
    return new Promise((resolve, reject) => this.#waiting.push({ match, resolve, reject }))
  }

  /** The same for standard error: the first group of the line that matches. */
  async errorLine(match: RegExp): Promise<string> {
    for (;;) {
      const lines = this.#stderr.split('\n').slice(0, -1)
      const found = lines.map((line) => match.exec(line)?.[1]).find((group) => group !== undefined)
      if (found !== undefined) return found
      if (this.#over) throw new Error(`no line matched ${match}; it said ${this.#stderr}`)
      await new Promise<void>((resolve) => this.#errorWaiting.push(resolve))
    }
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** Does nothing once it has ended: its number may be another's by then. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** To the fixture and all of its process group, as a terminal does. Only for detached ones. */
  killGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal)
  }
}

/** Runs a scenario of a fixture to its end and returns what it printed last, parsed. It must end with code 0. */
export async function runFixture<T>(name: string, args: readonly string[], options: FixtureOptions = {}): Promise<T> {
  const end = await new Fixture(name, args, options).closed
  if (end.code !== 0) {
    throw new Error(`${name} ${args.join(' ')} ended with ${end.signal ?? end.code}\n${end.stdout}\n${end.stderr}`)
  }
  return JSON.parse(end.stdout.split('\n').at(-1) ?? '') as T
}

/** Whether there is a process with that number that has not ended; a zombie has. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '')
  } catch {
    return false
  }
}

/** Whether that process ends within so many milliseconds. */
export async function goneWithin(pid: number, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms
  while (isAlive(pid)) {
    if (performance.now() > deadline) return false
    await setTimeout(1)
  }
  return true
}

/** Resolves once that process has ended. A process closes its descriptors a moment before. */
export async function untilGone(pid: number): Promise<void> {
  while (isAlive(pid)) await setTimeout(1)
}

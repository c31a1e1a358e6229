import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf, ForksnapError, type ForksnapErrorDetails } from '../errors'

/** A program and its arguments. No shell ever sees them. */
export type Command = readonly [program: string, ...args: string[]]

/** What stands for `{sliceId}` and `{epoch}` in the arguments. */
export interface Placeholders {
  readonly sliceId: bigint
  readonly epoch: bigint
}

/** How much of what a command says on its standard error is kept, its end, for the message of an error. */
const SAID_CHARACTERS_MAX = 1000
/** A process that a command has left behind may hold its standard error open for ever. */
const SAID_WAIT_MS = 500

function fill(argument: string, { sliceId, epoch }: Placeholders): string {
  return argument.replaceAll(/\{(sliceId|epoch)\}/g, (_, name) => String(name === 'epoch' ? epoch : sliceId))
}

/**
 * A running command, in a session and process group of its own: a Ctrl-C at the terminal, or a signal for the server's
 * group, does not end the last snapshot of a shutdown. Errors name the program and never its arguments.
 */
export class CommandProcess {
  /** Resolves when the process has ended. */
  readonly exited: Promise<void>
  readonly #child: ChildProcess
  readonly #program: string
  #said = ''
  #killedAfterMs: number | undefined

  private constructor(child: ChildProcess, program: string) {
    this.#child = child
    this.#program = program
    this.exited = new Promise((resolve) => child.once('exit', () => resolve()))
    child.on('error', () => undefined) // A signal that could not be sent; whoever waits for the end has a limit.
    child.stderr?.on('error', () => undefined)
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-SAID_CHARACTERS_MAX)
    })
  }

  /** Starts a command; its standard error is kept. Throws `ERR_STORE_FAILED` with `errno` if it cannot be started. */
  static async start(
    [program, ...args]: Command,
    placeholders: Placeholders,
    [stdin, stdout]: readonly [number | 'ignore', 'ignore' | 'pipe'],
  ): Promise<CommandProcess> {
    const filled = args.map((argument) => fill(argument, placeholders))
    const stdio: StdioOptions = [stdin, stdout, 'pipe']
    try {
      const child = spawn(program, filled, { stdio, detached: true, shell: false })
      await once(child, 'spawn')
      return new CommandProcess(child, program)
    } catch (error) {
      const errno = errnoOf(error)
      const advice = 'see whether the program is installed and may be executed'
      const message = `The command ${program} could not be started (${errno ?? String(error)}); ${advice}`
      throw new ForksnapError('ERR_STORE_FAILED', message, { syscall: 'spawn', ...(errno && { errno }) })
    }
  }

  get stdout(): Readable {
    return this.#child.stdout as Readable
  }

  /** Ends the command and all of its process group. Harmless once it has ended. */
  kill(): void {
    const { pid } = this.#child
    // Once it is reaped its number can be another's.
    if (pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended, and is about to be reaped.
    }
  }

  /** Like `kill`, and `failure` will say that it was too slow. */
  killForSlowness(limitMs: number): void {
    this.#killedAfterMs ??= limitMs
    this.kill()
  }

  /** Waits for the end, but kills after so many milliseconds. */
  async endWithin(limitMs: number): Promise<void> {
    const timer = setTimeout(() => this.killForSlowness(limitMs), limitMs)
    await this.exited
    clearTimeout(timer)
  }

  /** Why an ended command does not count as successful, or undefined if its exit code is 0. */
  async failure(cause?: unknown): Promise<ForksnapError | undefined> {
    const { exitCode, signalCode } = this.#child
    if (exitCode === 0) return undefined
    const details: ForksnapErrorDetails = { cause }
    if (exitCode !== null) details.exitCode = exitCode
    if (signalCode !== null) details.signal = signalCode
    const slow = this.#killedAfterMs
    const how =
      slow !== undefined
        ? `took longer than ${slow} ms (limitMs) and was killed`
        : exitCode !== null
          ? `ended with exit code ${exitCode}`
          : `was ended by ${signalCode}`
    const said = await this.#saidAtTheEnd()
    const message = `The command ${this.#program} ${how}${said === '' ? '; it said nothing' : `; it said: ${said}`}`
    return new ForksnapError('ERR_STORE_FAILED', message, details)
  }

  /** Lets go of what a process that the command left behind would keep open. */
  dispose(): void {
    this.kill()
    this.#child.stdout?.destroy()
    this.#child.stderr?.destroy()
  }

  async #saidAtTheEnd(): Promise<string> {
    const { stderr } = this.#child
    if (stderr !== null && !stderr.readableEnded && !stderr.destroyed) {
      const stop = new AbortController()
      const waits = [once(stderr, 'close', { signal: stop.signal }), delay(SAID_WAIT_MS, undefined, stop)]
      await Promise.race(waits.map((wait) => wait.catch(() => undefined)))
      stop.abort()
    }
    return this.#said.trim()
  }
}

/** Runs a command that takes and gives nothing. Throws `ERR_STORE_FAILED` unless it ends with exit code 0 in time. */
export async function runCommand(command: Command, placeholders: Placeholders, limitMs: number): Promise<void> {
  const running = await CommandProcess.start(command, placeholders, ['ignore', 'ignore'])
  try {
    await running.endWithin(limitMs)
    const failure = await running.failure()
    if (failure !== undefined) throw failure
  } finally {
    running.dispose()
  }
}

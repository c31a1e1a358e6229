import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Runs the built command line as a shell would: in a pipe, or in a pseudo-terminal. */

export const CLI = join(__dirname, '../../dist/src/cli/main.js')

export interface Ran {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** In a terminal both are one: it shows standard error as well. */
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  /** Commands before Node, such as `prlimit ...`. */
  readonly before?: readonly string[]
  readonly nodeOptions?: readonly string[]
  readonly cli?: string
  /** Standard input of `inPipe`; without it there is none. */
  readonly input?: Uint8Array
}

/** Why there is no pseudo-terminal: `script` is essential on Debian (package bsdutils, of util-linux). */
const reasonAgainstScript = spawnSync('script', ['--version']).status === 0 ? null : 'needs script'

const environment = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
  const { NO_COLOR: _color, NODE_OPTIONS: _options, CI: _ci, ...inherited } = process.env
  return { ...inherited, TERM: 'xterm', ...extra }
}

function commandOf(args: readonly string[], { before = [], nodeOptions = [], cli = CLI }: RunOptions): string[] {
  if (!existsSync(cli)) throw new Error(`${cli} is missing: run npm run build first`)
  return [...before, process.execPath, ...nodeOptions, cli, ...args]
}

function run(command: readonly string[], env: NodeJS.ProcessEnv, input?: Uint8Array): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], command.slice(1), { env, stdio: 'pipe' })
    // It may end before it has read all.
    child.stdin.on('error', () => undefined).end(input)
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, out, err }))
  })
}

export async function inPipe(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return assertNoTrace(await run(commandOf(args, options), environment(options.env), options.input))
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** `setup` is a line of shell before it, such as `stty cols 40`. */
export async function inTerminal(args: readonly string[], options: RunOptions & { setup?: string } = {}): Promise<Ran> {
  const line = `${options.setup ?? 'stty cols 200'}; exec ${commandOf(args, options).map(quoted).join(' ')}`
  const ran = await run(['script', '-qec', line, '/dev/null'], environment({ SHELL: '/bin/sh', ...options.env }))
  return assertNoTrace({ ...ran, out: ran.out.replaceAll('\r\n', '\n') })
}

/**
 * In a pipe and in a terminal, there with other arguments if they are given; where there is no terminal and none must be, in
 * two pipes.
 */
export function inBoth(args: readonly string[], shownArgs = args): Promise<[piped: Ran, shown: Ran]> {
  const shown = reasonAgainstScript === null || process.env.CI === 'true' ? inTerminal : inPipe
  return Promise.all([inPipe(args), shown(shownArgs)])
}

/** Whatever the user did wrong, where in the program it was noticed is none of the answer. */
function assertNoTrace(ran: Ran): Ran {
  const trace = /^\s+at .*[:/]\d+:\d+\)?$|node:internal|mistake of forksnap/m.exec(ran.out + ran.err)
  if (trace !== null) throw new Error(`a stack trace was shown:\n${ran.out}\n${ran.err}`)
  return ran
}

// eslint-disable-next-line no-control-regex -- Colours and the bar's line are control sequences.
export const uncoloured = (text: string): string => text.replace(/\x1b\[[0-9;]*[mK]/g, '')

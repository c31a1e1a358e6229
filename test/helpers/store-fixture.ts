import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** The user that a test as root becomes to see permissions refused. */
export const NOBODY = 65534

export const isRoot = process.geteuid?.() === 0

/** Why this machine cannot run a program as another user, or null if it can. */
export function reasonAgainstOtherUser(): string | null {
  if (!isRoot) return 'needs root'
  return spawnSync('setpriv', ['--version']).status === 0 ? null : 'needs setpriv'
}

/** Why system calls cannot be traced here, or null if they can. */
export function reasonAgainstTracing(): string | null {
  if (spawnSync('strace', ['--version']).status !== 0) return 'needs strace'
  return spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0 ? null : 'without the right to trace'
}

/** Why no program can be run in a terminal here, or null if one can. */
export function reasonAgainstTerminal(): string | null {
  return spawnSync('python3', ['-c', 'import pty']).status === 0 ? null : 'needs python3'
}

/**
 * On the server that tests for everybody a missing tool is a failure: `.ci/run` installs them all. What a machine does not
 * allow (root, mounts, traces) is not.
 */
const mustRun = (reason: string): boolean => process.env.CI === 'true' && /^needs (?!root)/.test(reason)

/**
 * Under a trace of the calls that make a slice durable, with one of them failing if `inject` says so
 * (`fsync:error=EIO:when=3`). One thread serves all asynchronous file calls, so that they can be counted.
 */
export function traced(output: string, inject?: string): string[] {
  const options = ['-f', '-y', '-o', output, '-e', 'trace=fsync,rename,unlink']
  const fault = inject === undefined ? [] : ['-e', `inject=${inject}`]
  return ['env', 'UV_THREADPOOL_SIZE=1', 'UV_USE_IO_URING=0', 'strace', ...options, ...fault]
}

/** `describe`, skipped with the reason in its name if there is one. */
export function describeUnless(reason: string | null, name: string, tests: () => void): void {
  if (reason === null || mustRun(reason)) describe(name, tests)
  else describe.skip(`${name} (skipped: ${reason})`, tests)
}

/** The same for one test. */
export function itUnless(reason: string | null, name: string, test: () => Promise<void>): void {
  if (reason === null || mustRun(reason)) it(name, test)
  else it.skip(`${name} (skipped: ${reason})`, test)
}

export function fixturePath(name: string): string {
  const path = join(__dirname, '../../dist/test/fixtures', `${name}.js`)
  if (!existsSync(path)) throw new Error(`${path} is missing: run npm run build first`)
  return path
}

/** Runs a fixture to its end under the commands before it (`setpriv ...`) and returns the JSON that it printed. */
export function runFixture(name: string, args: string[], before: string[] = []): unknown {
  const [program, ...rest] = [...before, process.execPath, fixturePath(name), ...args]
  const { status, stdout, stderr } = spawnSync(program ?? '', rest, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`)
  return JSON.parse(stdout)
}

export const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']

/** Under a limit of so many 512-byte blocks on the size of files. */
export const withFileLimit = (blocks: number): string[] => ['sh', '-c', `ulimit -f ${blocks}; exec "$@"`, 'sh']

/** Starts a fixture and resolves once it has printed its first line. */
export async function startFixture(name: string, args: string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [fixturePath(name), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  for await (const line of createInterface(child.stdout)) return { child, line }
  throw new Error(`${name} ended before it printed a line`)
}

/** Resolves when a child has ended, with its exit code or signal. */
export function ended(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
}

import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { binding } from '../binding'
import { packedHeapEnvironment, packedHeapLibrary } from '../packed-heap'
import { type Command, UsageError } from './command'
import { runChild } from './run-child'

const USAGE = `Usage: forksnap exec [options] -- COMMAND [ARGUMENTS...]

Runs a Node program with its V8 heap packed into huge pages, so that a fork of it takes a fraction of the time (Linux with
glibc, on x64; on arm64 it is untested). Where that is not possible it says so and runs the program without. The program takes
the place of this one: same pid, and its exit code. 127: there is no such program; 126: it cannot be run.

  --require   end with code 69 instead of running it without
  --inherit   also for the Node programs that COMMAND starts
  --help      this text
`

/** EX_UNAVAILABLE of sysexits.h. */
const UNAVAILABLE = 69
/** As shells have it. */
const NOT_EXECUTABLE = 126
const NOT_FOUND = 127

/** What `parseArgs` is told; the list of commands takes the names from here. */
export const EXEC_OPTIONS = { require: { type: 'boolean' }, inherit: { type: 'boolean' } } as const

function split(args: readonly string[]) {
  const end = args.indexOf('--')
  const own = end < 0 ? args : args.slice(0, end)
  const { values, positionals } = parseArgs({
    args: [...own],
    allowPositionals: true,
    options: { ...EXEC_OPTIONS, help: { type: 'boolean' } },
  })
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}: give the command after "--"`)
  return { values, command: end < 0 ? [] : args.slice(end + 1) }
}

/** Not through `process.stderr`, which would leave a pipe non-blocking for the command. */
function tell(message: string): void {
  writeSync(2, `forksnap: ${message}\n`)
}

function canReplace(): boolean {
  try {
    binding()
    return true
  } catch {
    return false
  }
}

function failed(command: readonly string[], error: unknown): void {
  const { code, message } = error as NodeJS.ErrnoException
  tell(`${command[0]} could not be started: ${message}`)
  process.exitCode = code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE
}

/** This process becomes the command, so that its pid, its signals and its terminal are the command's. */
function become(command: readonly string[], environment: Readonly<Record<string, string>>): void {
  // Without the addon, or on Windows.
  if (!canReplace()) return runChild(command, environment, (error) => failed(command, error))
  try {
    binding().replaceProcess(command, environment)
  } catch (error) {
    failed(command, error)
  }
}

export const exec: Command = {
  name: 'exec',
  summary: 'run a program with its heap packed into huge pages',
  usage: USAGE,
  run(args) {
    const { values, command } = split(args)
    if (values.help) return void process.stdout.write(USAGE)
    if (command.length === 0) throw new UsageError('the command to run is missing: give it after "--"')
    const library = packedHeapLibrary()
    if ('path' in library) {
      return become(command, packedHeapEnvironment(process.env, library.path, values.inherit === true))
    }
    tell(`the heap is not packed: ${library.problem}`)
    if (values.require) return void (process.exitCode = UNAVAILABLE)
    become(command, {})
  },
}

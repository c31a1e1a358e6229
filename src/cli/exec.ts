import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { packedHeapEnvironment, packedHeapLibrary } from '../packed-heap'
import { type Command, UsageError } from './command'

const USAGE = `Usage: forksnap exec [options] -- COMMAND [ARGUMENTS...]

Runs a Node program with its V8 heap packed into huge pages, so that a fork of it takes a fraction of the time (Linux on
x64 and arm64). Where that is not possible it says so and runs the program without. The exit code is the program's.

  --require   end with code 69 instead of running it without
  --inherit   also for the Node programs that COMMAND starts
  --help      this text
`

/** EX_UNAVAILABLE of sysexits.h. */
const UNAVAILABLE = 69
/** As shells have it. */
const NOT_EXECUTABLE = 126
const NOT_FOUND = 127
const PASSED_ON = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'] as const
/** A terminal sends these to the command itself, too. */
const FROM_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH']

function split(args: readonly string[]) {
  const end = args.indexOf('--')
  const own = end < 0 ? args : args.slice(0, end)
  const { values, positionals } = parseArgs({
    args: [...own],
    allowPositionals: true,
    options: { require: { type: 'boolean' }, inherit: { type: 'boolean' }, help: { type: 'boolean' } },
  })
  const [command, ...rest] = end < 0 ? [] : args.slice(end + 1)
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}: give the command after "--"`)
  return { values, command, rest }
}

function passSignals(child: ChildProcess): void {
  for (const signal of PASSED_ON) {
    process.on(signal, () => {
      if (process.stdin.isTTY && FROM_TERMINAL.includes(signal)) return
      child.kill(signal)
    })
  }
}

/** Ends this process as the command ended, by a signal if that is how. */
function endLike(code: number | null, signal: NodeJS.Signals | null): void {
  if (signal === null) {
    process.exitCode = code ?? 1
    return
  }
  process.removeAllListeners(signal)
  // For signals that Node does not die of, such as SIGUSR1.
  process.exitCode = 128 + constants.signals[signal]
  process.kill(process.pid, signal)
}

export const exec: Command = {
  name: 'exec',
  summary: 'run a program with its heap packed into huge pages',
  usage: USAGE,
  run(args) {
    const { values, command, rest } = split(args)
    if (values.help) return void process.stdout.write(USAGE)
    if (command === undefined) throw new UsageError('the command to run is missing: give it after "--"')
    const library = packedHeapLibrary()
    let env = process.env
    if ('path' in library) {
      env = packedHeapEnvironment(env, library.path, values.inherit === true)
    } else {
      console.error(`forksnap: the heap is not packed: ${library.problem}`)
      if (values.require) return void (process.exitCode = UNAVAILABLE)
    }
    const child = spawn(command, rest, { stdio: 'inherit', env })
    passSignals(child)
    child.on('exit', endLike)
    child.on('error', (error: NodeJS.ErrnoException) => {
      console.error(`forksnap: ${command} could not be started: ${error.message}`)
      process.exitCode = error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE
    })
  },
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { packageRoot } from '../addon-files'
import { nodeProblem } from '../platform'
import { exec, EXEC_OPTIONS } from './exec'
import { WRONG_USAGE } from './exit-codes'
import { reportFailure } from './failure'
import { terminal } from './output'
import { Problem } from './problem'
import { hideSecrets } from './secrets'

interface Subcommand {
  readonly name: string
  readonly summary: string
  /** Loads what declares its arguments, and all that it needs. */
  readonly load: () => Promise<(command: Command) => unknown>
}

const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'doctor',
    summary: 'find what would keep snapshots from working on this machine',
    load: async () => (await import('./doctor.js')).addDoctor,
  },
  {
    name: 'list',
    summary: 'list the slices of a store, newest first',
    load: async () => (await import('./list.js')).addList,
  },
  { name: 'inspect', summary: 'show what a slice holds', load: async () => (await import('./inspect.js')).addInspect },
  {
    name: 'verify',
    summary: 'check every checksum of slices',
    load: async () => (await import('./verify.js')).addVerify,
  },
  {
    name: 'export',
    summary: 'write the rows of a slice as text',
    load: async () => (await import('./export.js')).addExport,
  },
  {
    name: 'load',
    summary: 'bring a slice from a file into PostgreSQL',
    load: async () => (await import('./load.js')).addLoad,
  },
  {
    name: 'log',
    summary: 'look at an operation log, check it, repair it',
    load: async () => (await import('./log.js')).addLog,
  },
  {
    name: 'bench',
    summary: 'measure the pause of a fork on this machine',
    load: async () => (await import('./bench.js')).addBench,
  },
  {
    name: exec.name,
    summary: exec.summary,
    // Never run from here, see main.ts.
    load: () => Promise.resolve(declareExec),
  },
]

function declareExec(command: Command): void {
  command.usage('[options] -- COMMAND [ARGUMENTS...]')
  for (const name of Object.keys(EXEC_OPTIONS)) command.option(`--${name}`)
}

const EPILOGUE = `
Examples:
  $ forksnap doctor --slices ./data/slices --log ./data/oplog
  $ forksnap list ./data/slices
  $ forksnap verify ./data/slices
  $ forksnap export ./data/slices --table orders --format csv > orders.csv
  $ forksnap exec -- node server.js

Exit codes: 0 all is well, 1 a problem was found or something could not be done, 2 wrong usage.
"forksnap COMMAND --help" tells more about a command.
`

function version(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** Doctor is there to say so among all else; the others would end at the first thing that this Node does not have. */
function refuseOldNode(_program: Command, command: Command): void {
  const problem = nodeProblem(process.version)
  if (problem !== undefined && command.name() !== 'doctor') throw new Problem(problem)
}

/** All of the command line, for who looks up what there is. */
export function wholeProgram(): Promise<Command> {
  return makeProgram(() => true)
}

/** With all that belongs to the commands that are asked for; of the others only what the list of commands tells. */
async function makeProgram(isAsked: (name: string) => boolean): Promise<Command> {
  const program = new Command('forksnap')
  program
    .description('Looks after the slices and logs of forksnap, and at the machine that it is to run on.')
    .version(version(), '-V, --version')
    .helpCommand('help [command]')
    .addHelpText('after', EPILOGUE)
    .hook('preAction', refuseOldNode)
    // The subcommands take these settings over, so they come first.
    .exitOverride()
    .showHelpAfterError('(add --help for what there is)')
    .configureOutput({
      writeErr: (text) => void process.stderr.write(hideSecrets(text)),
      outputError: (text, write) => write(text.replace(/^error: /, 'forksnap: ')),
      getOutHasColors: () => terminal && (process.env.NO_COLOR ?? '') === '',
    })
  for (const { name, summary, load } of SUBCOMMANDS) {
    const command = program.command(name).description(summary)
    if (isAsked(name)) (await load())(command)
  }
  return program
}

/**
 * `help log verify` as `log verify --help`: Commander's own answers with the help of `log`, and to a command that there is not
 * with that of all, as if nothing was wrong.
 */
function withoutHelp(args: readonly string[]): readonly string[] {
  const [first, ...words] = args
  if (first !== 'help' || words.length === 0) return args
  return SUBCOMMANDS.some(({ name }) => name === words[0]) ? [...words, '--help'] : words
}

/** Runs the command line. Sets `process.exitCode`; never rejects. */
export async function run(args: readonly string[]): Promise<void> {
  // Notes for people are lost without them, and nothing else.
  process.stderr.on('error', () => undefined)
  process.stdout.on('error', reportFailure)
  try {
    const words = withoutHelp(args)
    const asked = words.find((word) => !word.startsWith('-'))
    const program = await makeProgram((name) => name === asked)
    if (args.length === 0) program.help({ error: true })
    await program.parseAsync([...words], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE
    else reportFailure(error)
  }
}

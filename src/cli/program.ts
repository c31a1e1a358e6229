import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { packageRoot } from '../binding'
import { addBench } from './bench'
import { addDoctor } from './doctor'
import { exec } from './exec'
import { WRONG_USAGE } from './exit-codes'
import { addExport } from './export'
import { reportFailure } from './failure'
import { addInspect } from './inspect'
import { addList } from './list'
import { addLoad } from './load'
import { addLog } from './log'
import { terminal } from './output'
import { hideSecrets } from './secrets'
import { addVerify } from './verify'

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

function makeProgram(): Command {
  const program = new Command('forksnap')
  program
    .description('Looks after the slices and logs of forksnap, and at the machine that it is to run on.')
    .version(version(), '-V, --version')
    .helpCommand('help [command]')
    .addHelpText('after', EPILOGUE)
    // The subcommands take these settings over, so they come first.
    .exitOverride()
    .showHelpAfterError('(add --help for what there is)')
    .configureOutput({
      writeErr: (text) => void process.stderr.write(hideSecrets(text)),
      outputError: (text, write) => write(text.replace(/^error: /, 'forksnap: ')),
      getOutHasColors: () => terminal && (process.env.NO_COLOR ?? '') === '',
    })
  for (const add of [addDoctor, addList, addInspect, addVerify, addExport, addLoad, addLog, addBench]) add(program)
  // Never run from here, see main.ts; it is listed with the others.
  program.command(exec.name).description(exec.summary).usage('[options] -- COMMAND [ARGUMENTS...]')
  return program
}

/** Runs the command line. Sets `process.exitCode`; never rejects. */
export async function run(args: readonly string[]): Promise<void> {
  // Notes for people are lost without them, and nothing else.
  process.stderr.on('error', () => undefined)
  process.stdout.on('error', reportFailure)
  try {
    const program = makeProgram()
    if (args.length === 0) program.help({ error: true })
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE
    else reportFailure(error)
  }
}

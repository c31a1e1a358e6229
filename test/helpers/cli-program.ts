import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** What the built command line says of itself. Asked in a process of its own: it loads its commands by `import()`, which Jest has not. */

const TELL = `
  const tell = (command, name, inherited) => {
    const options = [...inherited, ...command.options.flatMap(({ short, long }) => [short, long]).filter(Boolean)]
    return [[name, options], ...command.commands.flatMap((sub) => tell(sub, (name + ' ' + sub.name()).trim(), options))]
  }
  require(process.argv[1]).wholeProgram().then((program) => {
    console.log(JSON.stringify(tell(program, '', ['-h', '--help'])))
  })
`

let found: ReadonlyMap<string, readonly string[]> | undefined

/** The options of each command, by its words (`log verify`); those of the program itself are under the empty name. */
export function commandOptions(): ReadonlyMap<string, readonly string[]> {
  return (found ??= ask())
}

function ask(): ReadonlyMap<string, readonly string[]> {
  const program = join(__dirname, '../../dist/src/cli/program.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', TELL, program], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the commands could not be asked for: ${stderr}`)
  return new Map(JSON.parse(stdout) as [string, string[]][])
}

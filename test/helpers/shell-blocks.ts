import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandOptions } from './cli-program'
import { scriptOptions } from './script-options'

const root = join(__dirname, '../..')
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

/** What npm does by itself. */
const NPM_OWN = ['ci', 'i', 'install', 'uninstall', 'pack', 'init', 'version', 'ls', 'view']
/** Of the shell or another package, or harmless. */
const PLAIN = [
  'psql',
  'cd',
  'echo',
  'export',
  'mkdir',
  'rm',
  'cp',
  'mv',
  'cat',
  'ls',
  'sleep',
  'true',
  'wait',
  'kill',
  'zstd',
  'head',
  'jq',
  'sort',
  'uniq',
]

/**
 * What is wrong with the commands of a block: it is not run, since most install, serve or take minutes; instead each must
 * be one that there is, with options that it has. What cannot be looked up is a problem too.
 */
export function shellProblems(code: string, language: string): string[] {
  // In a session only what follows a prompt is typed.
  const typed = language === 'console' ? code.replace(/^(?!\$ ).*$/gm, '').replace(/^\$ /gm, '') : code
  const lines = typed.replaceAll('\\\n', ' ').split('\n')
  const commands = lines.flatMap((line) =>
    line
      .replace(/(^|\s)#.*/, '')
      .replace(/'[^']*'/g, "''")
      .split(/&&|\|\||[;|&]/),
  )
  return commands.flatMap((command) => problemOf(command.trim().split(/\s+/)) ?? [])
}

function problemOf(words: readonly string[]): string | undefined {
  const [name = '', ...args] = words.filter((word, i) => !isAssignment(words, i) && word !== '')
  if (name === '' || PLAIN.includes(name)) return undefined
  if (name === 'npm') return npmProblem(args)
  if (name === 'npx') return npxProblem(args)
  if (name === 'forksnap') return forksnapProblem(args)
  if (name === 'node') return nodeProblem(args)
  if (/^\.{0,2}\/?[\w.-]+\//.test(name) && existsSync(join(root, name))) return undefined
  return `nothing is known of the command ${name}: if it cannot be run, a comment before the block has to say why`
}

function isAssignment(words: readonly string[], at: number): boolean {
  return words.slice(0, at + 1).every((word) => /^\w+=/.test(word))
}

function npmProblem([command = '', ...args]: readonly string[]): string | undefined {
  if (command !== 'run' && NPM_OWN.includes(command)) return undefined
  const [asked = '', ...rest] = command === 'run' ? args : [command, ...args]
  if (!(asked in scripts)) return `package.json has no script ${asked}`
  const end = rest.indexOf('--')
  const own = end < 0 ? rest : rest.slice(0, end)
  const swallowed = own.find((word) => word.startsWith('-'))
  if (swallowed !== undefined) return `npm takes ${swallowed} for itself: it belongs behind "--"`
  // npm puts them behind the last command of the script.
  const last = (scripts[asked] ?? '').split('&&').at(-1) ?? ''
  return end < 0 ? undefined : scriptProblem([...last.trim().split(/\s+/), ...rest.slice(end + 1)])
}

/** A script may be a program of another package, whose options are not ours to know. */
function scriptProblem(words: readonly string[]): string | undefined {
  return isOthers(words[0]) ? undefined : problemOf(words)
}

function isOthers(program = ''): boolean {
  return program !== 'forksnap' && existsSync(join(root, 'node_modules/.bin', program))
}

function npxProblem(args: readonly string[]): string | undefined {
  const [program = '', ...rest] = args.filter((word, i) => i > 0 || !word.startsWith('-'))
  const [name = ''] = program.split('@')
  if (name === 'forksnap') return forksnapProblem(rest)
  return isOthers(name) ? undefined : `no dependency has the program ${program}`
}

/** Options end where a value could be one: at `--`, behind which `exec` has another command. */
function forksnapProblem(args: readonly string[]): string | undefined {
  const end = args.indexOf('--')
  const own = end < 0 ? args : args.slice(0, end)
  const words = own.filter((word) => !word.startsWith('-'))
  const names = [words.slice(0, 2), words.slice(0, 1), []].map((name) => name.join(' '))
  const command = names.find((name) => commandOptions().has(name)) ?? ''
  if (command === '' && words.length > 0 && words[0] !== 'help') return `forksnap has no command ${words[0]}`
  return (
    unknownOption(`forksnap ${command}`, own, commandOptions().get(command) ?? []) ??
    (end < 0 ? undefined : problemOf(args.slice(end + 1)))
  )
}

function unknownOption(program: string, args: readonly string[], known: readonly string[]): string | undefined {
  const options = args.filter((word) => /^--?[a-z]/i.test(word)).map((word) => word.split('=', 1)[0] ?? word)
  const unknown = options.find((option) => !known.includes(option))
  return unknown === undefined ? undefined : `${program} has no option ${unknown}`
}

/** A program of the user's is not ours to know. */
function nodeProblem(args: readonly string[]): string | undefined {
  const at = args.findIndex((word) => !word.startsWith('-'))
  const path = args[at] ?? ''
  if (!/^(dist|scripts|bench|examples|src|test)\//.test(path)) return undefined
  const source = path.replace(/^dist\//, '').replace(/\.js$/, '.ts')
  if (!existsSync(join(root, path.startsWith('dist/') ? source : path))) return `there is no ${path}`
  const given = args.slice(at + 1)
  if (path === 'dist/src/cli/main.js') return forksnapProblem(given)
  if (!given.some((word) => word.startsWith('-'))) return undefined
  return unknownOption(path, given, scriptOptions(path, root))
}

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

/** What npm does by itself. */
const NPM_OWN = ['ci', 'i', 'install', 'uninstall', 'pack', 'init', 'version', 'ls', 'view']
/** Of the shell or another package, or harmless. */
const PLAIN = ['psql', 'cd', 'echo', 'export', 'mkdir', 'rm', 'cp', 'mv', 'cat', 'ls', 'sleep', 'true', 'wait', 'kill']

/**
 * What is wrong with the commands of a block: it is not run, since most install, serve or take minutes; instead each must
 * be one that there is. What cannot be looked up is a problem too.
 */
export function shellProblems(code: string, language: string): string[] {
  // In a session only what follows a prompt is typed.
  const typed = language === 'console' ? code.replace(/^(?!\$ ).*$/gm, '').replace(/^\$ /gm, '') : code
  const lines = typed.replaceAll('\\\n', ' ').split('\n')
  const commands = lines.flatMap((line) => line.replace(/(^|\s)#.*/, '').split(/&&|\|\||[;|&]/))
  return commands.flatMap((command) => problemOf(command.trim().split(/\s+/)) ?? [])
}

function problemOf(words: readonly string[]): string | undefined {
  const [name = '', ...args] = words.filter((word, i) => !isAssignment(words, i) && word !== '')
  if (name === '' || PLAIN.includes(name)) return undefined
  if (name === 'npm') return npmProblem(args)
  if (name === 'npx') return npxProblem(args)
  if (name === 'forksnap') return forksnapProblem(args[0])
  if (name === 'node') return nodeProblem(args.filter((word) => !word.startsWith('-'))[0])
  if (/^\.{0,2}\/?[\w.-]+\//.test(name) && existsSync(join(root, name))) return undefined
  return `nothing is known of the command ${name}: if it cannot be run, a comment before the block has to say why`
}

function isAssignment(words: readonly string[], at: number): boolean {
  return words.slice(0, at + 1).every((word) => /^\w+=/.test(word))
}

function npmProblem([command = '', script = '']: readonly string[]): string | undefined {
  const asked = command === 'run' ? script : command
  if (command !== 'run' && NPM_OWN.includes(command)) return undefined
  return asked in scripts ? undefined : `package.json has no script ${asked}`
}

function npxProblem(args: readonly string[]): string | undefined {
  const [program = '', ...rest] = args.filter((word, i) => i > 0 || !word.startsWith('-'))
  const [name = ''] = program.split('@')
  if (name === 'forksnap') return forksnapProblem(rest[0])
  return existsSync(join(root, 'node_modules/.bin', name)) ? undefined : `no dependency has the program ${program}`
}

const known = new Map<string, boolean>()

function forksnapProblem(command = ''): string | undefined {
  if (command === '' || command.startsWith('-')) return undefined
  if (!known.has(command)) {
    const program = [join(root, 'dist/src/cli/main.js'), command, '--help']
    // Of a command that there is not the help is that of all.
    const { stdout } = spawnSync(process.execPath, program, { encoding: 'utf8' })
    known.set(command, stdout.startsWith(`Usage: forksnap ${command} `))
  }
  return known.get(command) === true ? undefined : `forksnap has no command ${command}`
}

/** A program of the user's is not ours to know. */
function nodeProblem(path = ''): string | undefined {
  const source = path.replace(/^dist\//, '').replace(/\.js$/, '.ts')
  const ours = /^(dist|scripts|bench|examples|src|test)\//.test(path)
  return !ours || existsSync(join(root, path.startsWith('dist/') ? source : path)) ? undefined : `there is no ${path}`
}

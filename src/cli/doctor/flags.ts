import { basename } from 'node:path'
import type { System } from './system'

/** Options of Node by their names, with the value of those that have one. */
export type Flags = ReadonlyMap<string, string>

export interface FoundFlags {
  readonly flags: Flags
  /** Why there may be others that nobody can see; undefined if these are all. */
  readonly hidden?: string
}

/** Those of this process, as NODE_OPTIONS and the command line say, or of another one, as far as they can be seen. */
export function flagsOf(system: System, pid: string): FoundFlags {
  if (pid === 'self') return { flags: parse([...words(process.env.NODE_OPTIONS ?? ''), ...process.execArgv]) }
  const [options, hiddenOptions] = nodeOptionsOf(system, pid)
  const [args, hiddenArgs] = argumentsOf(system, pid)
  const flags = parse([...words(options), ...args])
  const hidden = [hiddenArgs, hiddenOptions].filter((reason) => reason !== undefined).join(', and ')
  return hidden === '' ? { flags } : { flags, hidden }
}

type Seen<T> = readonly [seen: T, hidden?: string | undefined]

function nodeOptionsOf(system: System, pid: string): Seen<string> {
  const text = system.text(`/proc/${pid}/environ`)
  if (text === undefined) return ['', `the environment of process ${pid} cannot be read by this user`]
  const entries = text.split('\0').filter((entry) => entry !== '')
  const options = entries.find((entry) => entry.startsWith(NODE_OPTIONS)) ?? NODE_OPTIONS
  const whole = entries.every((entry) => entry.includes('=')) && (entries.length > 0 || text === '')
  return [options.slice(NODE_OPTIONS.length), whole ? undefined : `process ${pid} has overwritten its environment`]
}

const NODE_OPTIONS = 'NODE_OPTIONS='

/** Node's own words of a command line: those before the script. */
function argumentsOf(system: System, pid: string): Seen<string[]> {
  const text = system.text(`/proc/${pid}/cmdline`)
  if (text === undefined || text === '') return [[], `the command line of process ${pid} cannot be read`]
  const [program = '', ...args] = text.replace(/\0$/, '').split('\0')
  if (args.every((arg) => arg === '') && !isNodeAlone(system, pid, program, args)) {
    return [[], `process ${pid} has overwritten its command line with a title, ${JSON.stringify(program)}`]
  }
  // What follows the script is the script's.
  const script = args.findIndex((arg, index) => !isOption(arg) && !takesValue(args[index - 1]))
  return [script < 0 ? args : args.slice(0, script)]
}

/**
 * Whether a command line of one word is one. `process.title` and `--title` write over the arguments, in the place of which
 * the kernel then shows the title, filled up with NULs: many empty words, but none if the title takes all of the place.
 */
function isNodeAlone(system: System, pid: string, program: string, rest: readonly string[]): boolean {
  const executable = system.link(`/proc/${pid}/exe`)?.replace(/ \(deleted\)$/, '') ?? 'node'
  return rest.length === 0 && basename(program) === basename(executable)
}

/** `-` alone is a script from standard input. */
const isOption = (arg: string): boolean => arg.startsWith('-') && arg !== '-'

/** Options whose value may be the next word, those that servers are started with. */
const WITH_VALUE = new Set([
  ...['-r', '--require', '--import', '--loader', '--experimental-loader', '-C', '--conditions', '--max-old-space-size'],
  ...['--env-file', '--env-file-if-exists', '--title', '--unhandled-rejections', '--disable-warning', '--v8-pool-size'],
  ...['--diagnostic-dir', '--report-dir', '--report-directory', '--redirect-warnings', '--heapsnapshot-signal'],
  ...['--max-http-header-size', '--dns-result-order', '--openssl-config', '--icu-data-dir', '--trace-event-categories'],
  ...['-e', '--eval', '--input-type', '--experimental-config-file'],
])

function takesValue(arg: string | undefined): boolean {
  return arg !== undefined && WITH_VALUE.has(arg)
}

/** NODE_OPTIONS knows quotes, for values with spaces. */
function words(text: string): string[] {
  return text.match(/(?:[^\s"]|"(?:[^"\\]|\\.)*")+/g)?.map((word) => word.replaceAll('"', '')) ?? []
}

function parse(args: readonly string[]): Flags {
  const flags = new Map<string, string>()
  args.forEach((arg, index) => {
    if (!arg.startsWith('-')) return
    const [name = '', ...value] = arg.split('=')
    // V8 takes underscores for hyphens.
    const key = name.replaceAll('_', '-')
    // Of an option and its contrary the last one holds: the command line comes after NODE_OPTIONS.
    flags.delete(key.startsWith('--no-') ? `--${key.slice('--no-'.length)}` : `--no-${key.slice('--'.length)}`)
    flags.set(key, value.length > 0 ? value.join('=') : takesValue(key) ? (args[index + 1] ?? '') : '')
  })
  return flags
}

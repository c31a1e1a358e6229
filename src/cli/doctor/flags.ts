import type { System } from './system'

/** Options of Node by their names, with the value of those that have one. */
export type Flags = ReadonlyMap<string, string>

/** Those of this process, as NODE_OPTIONS and the command line say, or of another one; undefined if it cannot be read. */
export function flagsOf(system: System, pid: string): Flags | undefined {
  if (pid === 'self') return parse([...words(process.env.NODE_OPTIONS ?? ''), ...process.execArgv])
  const command = system.text(`/proc/${pid}/cmdline`)
  if (command === undefined) return undefined
  const environment = (system.text(`/proc/${pid}/environ`) ?? '').split('\0')
  const options = environment.find((entry) => entry.startsWith('NODE_OPTIONS=')) ?? ''
  const [, ...args] = command.split('\0')
  // What follows the script is the script's.
  const script = args.findIndex((arg, index) => !arg.startsWith('-') && !takesValue(args[index - 1]))
  const own = script < 0 ? args : args.slice(0, script)
  return parse([...words(options.slice('NODE_OPTIONS='.length)), ...own])
}

/** Options whose value may be the next word, those that servers are started with. */
const WITH_VALUE = new Set([
  ...['-r', '--require', '--import', '--loader', '--experimental-loader', '-C', '--conditions', '--max-old-space-size'],
  ...['--env-file', '--env-file-if-exists', '--title', '--unhandled-rejections', '--disable-warning', '--v8-pool-size'],
  ...['--diagnostic-dir', '--report-dir', '--report-directory', '--redirect-warnings', '--heapsnapshot-signal'],
  ...['--max-http-header-size', '--dns-result-order', '--openssl-config', '--icu-data-dir', '--trace-event-categories'],
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
    flags.set(key, value.length > 0 ? value.join('=') : takesValue(key) ? (args[index + 1] ?? '') : '')
  })
  return flags
}

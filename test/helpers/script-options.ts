import { spawnSync } from 'node:child_process'

/** The options of a program of ours, as it tells them to `parseArgs`. */

/** In the program's own process, before it: tells what `parseArgs` is asked for, and ends. */
const TELL = `
  import { writeSync } from 'node:fs'
  import { syncBuiltinESMExports } from 'node:module'
  import util from 'node:util'
  util.parseArgs = ({ options = {}, allowNegative = false }) => {
    const names = Object.entries(options).flatMap(([name, { short, type }]) => [
      '--' + name,
      ...(short === undefined ? [] : ['-' + short]),
      ...(allowNegative && type === 'boolean' ? ['--no-' + name] : []),
    ])
    writeSync(1, JSON.stringify(names))
    process.exit(0)
  }
  syncBuiltinESMExports()
`
/** A program that asks for no options would run, perhaps for long. */
const MS_MAX = 10_000

const known = new Map<string, readonly string[]>()

/** A program that does not ask `parseArgs` before anything else has none. */
export function scriptOptions(path: string, cwd: string): readonly string[] {
  const found = known.get(path) ?? ask(path, cwd)
  known.set(path, found)
  return found
}

function ask(path: string, cwd: string): readonly string[] {
  const hook = `data:text/javascript,${encodeURIComponent(TELL)}`
  const { stdout } = spawnSync(process.execPath, ['--import', hook, path], { cwd, encoding: 'utf8', timeout: MS_MAX })
  try {
    return JSON.parse(stdout) as string[]
  } catch {
    return []
  }
}

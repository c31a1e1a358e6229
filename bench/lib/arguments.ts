import { parseArgs } from 'node:util'

/**
 * Reads `--name value` options, all whole numbers from 1, `--json` and the flags that are named. The given values are the
 * defaults. Throws for an unknown option or one that is no such number.
 */
export function readArguments<T extends Record<string, number>, F extends string = never>(
  defaults: T,
  ...flags: readonly F[]
): T & Readonly<Record<F | 'json', boolean>> {
  const names = Object.keys(defaults)
  const switches = ['json', ...flags]
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
      ...Object.fromEntries(switches.map((name) => [name, { type: 'boolean' as const }])),
    },
  })
  const given: Record<string, unknown> = values
  const numbers = names.map((name) => {
    const value = Number(given[name] ?? defaults[name])
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`)
    return [name, value]
  })
  const set = switches.map((name) => [name, given[name] === true])
  return Object.fromEntries([...numbers, ...set]) as T & Record<F | 'json', boolean>
}

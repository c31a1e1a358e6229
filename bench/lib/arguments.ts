import { parseArgs } from 'node:util'

/**
 * Reads `--name value` options, all whole numbers from 1 but those of `texts`, and `--json`. The given values are the
 * defaults; a text that is not given is missing. Throws for an unknown option or one that is no such number.
 */
export function readArguments<T extends Record<string, number>, const S extends string = never>(
  defaults: T,
  texts: readonly S[] = [],
): T & { readonly [Name in S]?: string } & { readonly json: boolean } {
  const names = Object.keys(defaults)
  const options = Object.fromEntries([...names, ...texts].map((name) => [name, { type: 'string' as const }]))
  const { values } = parseArgs({ options: { ...options, json: { type: 'boolean' as const, default: false } } })
  const given: Record<string, unknown> = values
  const numbers = names.map((name) => {
    const value = Number(given[name] ?? defaults[name])
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`)
    return [name, value]
  })
  const said = Object.fromEntries(texts.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]))
  return {
    ...(Object.fromEntries(numbers) as T),
    ...(said as { readonly [Name in S]?: string }),
    json: given.json === true,
  }
}

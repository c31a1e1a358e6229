import { parseArgs } from 'node:util'
import { becomePackedIfAsked } from './packed-heap'

/**
 * Reads `--name value` options, all whole numbers from 1 but those of `texts`, the flags that are named, `--json`, and
 * `--packed`, for which the program begins again with a packed heap, as do those that it starts. The given values are
 * the defaults; a text that is not given is missing. Throws for an unknown option or one that is no such number.
 */
export function readArguments<
  T extends Record<string, number>,
  const S extends string = never,
  const F extends string = never,
>(
  defaults: T,
  { texts = [], flags = [] }: { readonly texts?: readonly S[]; readonly flags?: readonly F[] } = {},
): T & { readonly [Name in S]?: string } & Readonly<Record<F | 'json', boolean>> {
  const names = Object.keys(defaults)
  const switches = ['json', ...flags]
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries([...names, ...texts].map((name) => [name, { type: 'string' as const }])),
      ...Object.fromEntries([...switches, 'packed'].map((name) => [name, { type: 'boolean' as const }])),
    },
  })
  const given: Record<string, unknown> = values
  const numbers = names.map((name) => {
    const value = Number(given[name] ?? defaults[name])
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`)
    return [name, value]
  })
  const said = Object.fromEntries(texts.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]))
  const set = Object.fromEntries(switches.map((name) => [name, given[name] === true]))
  becomePackedIfAsked()
  return {
    ...(Object.fromEntries(numbers) as T),
    ...(said as { readonly [Name in S]?: string }),
    ...(set as Record<F | 'json', boolean>),
  }
}

import { parseArgs } from 'node:util'
import { becomePackedIfAsked } from './packed-heap'

/**
 * Reads `--name value` options, all whole numbers from 1, `--json`, and `--packed`, for which the program begins again with
 * a packed heap, as do those that it starts. The given values are the defaults.
 * Throws for an unknown option or one that is no such number.
 */
export function readArguments<T extends Record<string, number>>(defaults: T): T & { readonly json: boolean } {
  const names = Object.keys(defaults)
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]))
  const flag = { type: 'boolean' as const, default: false }
  const { values } = parseArgs({ options: { ...options, json: flag, packed: flag } })
  const given: Record<string, unknown> = values
  const numbers = names.map((name) => {
    const value = Number(given[name] ?? defaults[name])
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`)
    return [name, value]
  })
  becomePackedIfAsked()
  return { ...(Object.fromEntries(numbers) as T), json: given.json === true }
}

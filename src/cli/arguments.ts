import { type Command, InvalidArgumentError } from 'commander'

/** Options that several commands share, and the parsers of their values. */

export const WHERE = 'a directory of slices, the file of one, a postgres:// URL, or - for a slice at standard input'

export function withStoreOptions(command: Command): Command {
  return command
    .option('--schema <name>', 'schema of the tables in the database (default: public)')
    .option('--name <name>', "the store's name in the database (default: default)")
}

export function withJson(command: Command): Command {
  return command.option('--json', 'write JSON; ids and positions are text in it')
}

const INT8_MAX = 2n ** 63n - 1n

export function parseId(text: string): bigint {
  if (/^\d{1,19}$/.test(text) && BigInt(text) <= INT8_MAX) return BigInt(text)
  throw new InvalidArgumentError('It must be a whole number from 0 to 2^63 - 1.')
}

export function parseCount(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value
  throw new InvalidArgumentError('It must be a whole number from 1.')
}

const FACTORS: { readonly [unit: string]: number } = {
  ...{ '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 },
  ...{ KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40 },
}

/** `4GiB`, `1.5 GB`, `4096`. */
export function parseBytes(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? []
  const bytes = Math.round(Number(digits) * (FACTORS[unit.toUpperCase()] ?? NaN))
  if (digits !== '' && bytes > 0 && Number.isSafeInteger(bytes)) return bytes
  throw new InvalidArgumentError('It must be a size, such as 500MB, 4GiB or a number of bytes.')
}

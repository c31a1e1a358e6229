import { parseArgs } from 'node:util'
import type { StateKind } from './engine'
import { checkStateKind } from './storage'

const DEFAULTS = {
  seconds: 60,
  interval: 5,
  rate: 1000,
  connections: 4,
  orders: 20_000,
  users: 100,
  seed: 1,
  port: 50_051,
  'status-port': 50_080,
}

type Name = keyof typeof DEFAULTS

/** What there must be at least one of. An interval of 0 is none: then there is only the last snapshot. */
const FROM_ONE: readonly Name[] = ['rate', 'seconds', 'connections', 'users']

export interface StartOptions extends Omit<typeof DEFAULTS, 'status-port'> {
  readonly statusPort: number
  readonly directory: string
  /** Where the orders are. */
  readonly state: StateKind
}

/** Throws a TypeError for an option that there is not, a RangeError for a value that is none of its range. */
export function readStartOptions(args: readonly string[]): StartOptions {
  const names = Object.keys(DEFAULTS) as Name[]
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: { ...Object.fromEntries(names.map((name) => [name, text])), directory: text, state: text },
  }) as { values: Readonly<Record<string, string | undefined>> }
  const numbers = names.map((name) => [name, readNumber(name, values[name])])
  const { 'status-port': statusPort, ...rest } = Object.fromEntries(numbers) as typeof DEFAULTS
  const state = checkStateKind(values.state ?? 'heap', '--state')
  return { ...rest, statusPort, directory: values.directory ?? './data/exchange', state }
}

function readNumber(name: Name, text: string | undefined): number {
  const value = Number(text ?? DEFAULTS[name])
  const least = FROM_ONE.includes(name) ? 1 : 0
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new RangeError(`--${name} must be a whole number from ${least}, not "${text}"`)
}

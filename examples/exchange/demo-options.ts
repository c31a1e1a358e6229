import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { OperationLog, SliceStore } from 'forksnap'
import { checkPlace, describePlace, isPostgres, logDirectory, openLog, openStore, type Place } from './storage'

const DEFAULTS = { orders: 1_000_000, rate: 5000, interval: 5000, seed: 1, snapshots: 0 }
const POLICIES = ['always', 'everysec', 'no', 'off'] as const

export interface Options extends Record<keyof typeof DEFAULTS, number> {
  readonly directory: string
  readonly store: Place
  readonly log: (typeof POLICIES)[number]
}

export function readOptions(): Options {
  const names = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: { ...Object.fromEntries(names.map((name) => [name, text])), directory: text, store: text, log: text },
  }) as { values: Partial<Record<keyof Options, string>> }
  const { directory = './data', store = 'file' } = values
  checkPlace(store, '--store')
  const log = POLICIES.find((policy) => policy === (values.log ?? 'everysec'))
  if (log === undefined) throw new RangeError(`--log must be one of ${POLICIES.join(', ')}`)
  const numbers = names.map((name) => [name, readNumber(name, values[name])])
  return { ...(Object.fromEntries(numbers) as Record<keyof typeof DEFAULTS, number>), directory, store, log }
}

function readNumber(name: keyof typeof DEFAULTS, text: string | undefined): number {
  const value = Number(text ?? DEFAULTS[name])
  const least = name === 'seed' || name === 'snapshots' ? 0 : 1
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new RangeError(`--${name} must be a whole number from ${least}, not "${text}"`)
}

export interface Persistence {
  readonly store: SliceStore
  readonly log: OperationLog | undefined
  /** For people, without a password. */
  readonly where: string
}

export function openPersistence({ directory, store, log }: Options): Persistence {
  if (!isPostgres(store) && log === 'off' && existsSync(logDirectory(directory))) {
    // The slices would go on without it, and it would be applied to a state that it does not belong to.
    const path = logDirectory(directory)
    throw new Error(`there is a log in ${path}: leave --log off out, or name another --directory`)
  }
  return {
    store: openStore(store, directory),
    log: log === 'off' ? undefined : openLog(store, directory, log),
    where: describePlace(store, directory),
  }
}

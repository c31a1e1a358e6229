import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ForksnapError, type OperationLog, type SliceStore } from 'forksnap'
import type { StateKind } from './engine'
import { checkPlace, checkStateKind, describePlace, isPostgres, logDirectory } from './storage'
import { openLog, openStore, type Place } from './storage'

const DEFAULTS = { orders: 1_000_000, rate: 5000, interval: 5000, seed: 1, snapshots: 0 }
const POLICIES = ['always', 'everysec', 'no', 'off'] as const

export interface Options extends Record<keyof typeof DEFAULTS, number> {
  readonly directory: string
  readonly store: Place
  readonly log: (typeof POLICIES)[number]
  /** Begins the log anew after the newest slice where it ends before it; without it, such a log is refused. */
  readonly newLog: boolean
  /** Where the orders are. */
  readonly state: StateKind
}

export function readOptions(): Options {
  const names = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]
  const text = { type: 'string' } as const
  const flags = { directory: text, store: text, log: text, state: text, 'new-log': { type: 'boolean' } } as const
  const { values } = parseArgs({
    options: { ...Object.fromEntries(names.map((name) => [name, text])), ...flags },
  }) as { values: Partial<Record<keyof Options, string>> & { 'new-log'?: boolean } }
  const { directory = './data', store = 'file', 'new-log': newLog = false } = values
  checkPlace(store, '--store')
  const state = checkStateKind(values.state ?? 'heap', '--state')
  const log = POLICIES.find((policy) => policy === (values.log ?? 'everysec'))
  if (log === undefined) throw new RangeError(`--log must be one of ${POLICIES.join(', ')}`)
  const numbers = names.map((name) => [name, readNumber(name, values[name])])
  const counts = Object.fromEntries(numbers) as Record<keyof typeof DEFAULTS, number>
  return { ...counts, directory, store, log, newLog, state }
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

/** Where slices and operations are kept. In PostgreSQL an operation is durable when it is committed, whatever `log` says. */
export async function openPersistence(options: Pick<Options, 'directory' | 'store' | 'log'>): Promise<Persistence> {
  const { directory, store, log } = options
  const found = log === 'off' ? await existingLog(options) : undefined
  if (found !== undefined) {
    // The slices would go on without it, and later it would be applied to a state that it does not belong to.
    throw new Error(`there is a log in ${found}: leave --log off out, or name another --directory or --store`)
  }
  return {
    store: openStore(store, directory),
    log: log === 'off' ? undefined : openLog(store, directory, log),
    where: describePlace(store, directory),
  }
}

/** Where there is a log already, for people. */
async function existingLog({ directory, store }: Pick<Options, 'directory' | 'store'>): Promise<string | undefined> {
  if (!isPostgres(store)) return existsSync(logDirectory(directory)) ? logDirectory(directory) : undefined
  return (await hasEntries(openLog(store, directory, 'always'))) ? 'the table operation_log' : undefined
}

async function hasEntries(log: OperationLog): Promise<boolean> {
  try {
    for await (const _ of log.read(0n)) return true
    return false
  } catch (error) {
    // It does not begin with the first entry, since it was pruned: it has some.
    if (error instanceof ForksnapError && error.code === 'ERR_LOG_GAP') return true
    throw error
  }
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  FileOperationLog,
  FileStore,
  PostgresOperationLog,
  PostgresStore,
  type OperationLog,
  type SliceStore,
} from 'forksnap'

const DEFAULTS = { orders: 1_000_000, rate: 5000, interval: 5000, seed: 1, snapshots: 0 }
const POLICIES = ['always', 'everysec', 'no', 'off'] as const

export interface Options extends Record<keyof typeof DEFAULTS, number> {
  readonly directory: string
  /** `file`, or a `postgres://` URL. */
  readonly store: string
  readonly log: (typeof POLICIES)[number]
}

export function readOptions(): Options {
  const names = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: { ...Object.fromEntries(names.map((name) => [name, text])), directory: text, store: text, log: text },
  }) as { values: Partial<Record<keyof Options, string>> }
  const { directory = './data', store = 'file' } = values
  if (store !== 'file' && !/^postgres(ql)?:/.test(store)) {
    throw new RangeError('--store must be file or the URL of a database, postgres://...')
  }
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

/** Where slices and operations are kept. In PostgreSQL an operation is durable when it is committed, whatever `log` says. */
export function openPersistence({ directory, store, log }: Options): Persistence {
  if (store !== 'file') {
    const logged = log === 'off' ? undefined : new PostgresOperationLog({ connection: store })
    return { store: new PostgresStore({ connection: store }), log: logged, where: 'tables in PostgreSQL' }
  }
  const logDirectory = join(directory, 'log')
  if (log === 'off' && existsSync(logDirectory)) {
    // The slices would go on without it, and it would be applied to a state that it does not belong to.
    throw new Error(`there is a log in ${logDirectory}: leave --log off out, or name another --directory`)
  }
  return {
    store: new FileStore({ directory }),
    log: log === 'off' ? undefined : new FileOperationLog({ directory: logDirectory, fsync: log }),
    where: `files in ${directory}`,
  }
}

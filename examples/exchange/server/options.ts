import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { FsyncPolicy } from 'forksnap'
import type { StateKind } from '../engine'
import { checkPlace, checkStateKind, type Place } from '../storage'
import type { Limits } from './listener'

export interface ExchangeOptions {
  /** Where the slices are. */
  readonly store: Place
  /** Where the operations are. */
  readonly logStore: Place
  /** When an operation counts as durable. In PostgreSQL it does when it is committed. */
  readonly log: FsyncPolicy
  /** For what is kept in files. */
  readonly directory: string
  /** Where the orders are. */
  readonly state: StateKind
  /** Between two snapshots; 0 for none but those that are asked for. */
  readonly intervalMs: number
  /** Whether snapshots are written where nobody else wants a processor. They take longer then. */
  readonly idleSnapshots: boolean
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** Of the status page; undefined for none, 0 for a free one. It binds to `host` as well. */
  readonly statusPort: number | undefined
  readonly debug: boolean
  readonly marketOrders: boolean
  readonly stopWritesOnSaveError: boolean
  /** For how long calls that are running may go on once the server is asked to stop. */
  readonly drainMs: number
  readonly limits: Limits
}

const POLICIES: readonly FsyncPolicy[] = ['always', 'everysec', 'no']
const INTERVAL_SECONDS_MAX = 2_147_483

/** How a value is read, from text on the command line or from JSON. Throws a RangeError that names what is wrong. */
type Read<T> = (value: unknown, name: string) => T

interface Setting<T> {
  readonly read: Read<T>
  readonly default: T
  /** What stands for the value in the usage; flags have none. */
  readonly value?: string
  readonly help: string
}

const whole =
  (low: number, high: number): Read<number> =>
  (value, name) => {
    const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
    if (typeof number === 'number' && Number.isInteger(number) && number >= low && number <= high) return number
    throw new RangeError(`${name} must be a whole number from ${low} to ${high}`)
  }

const seconds: Read<number> = (value, name) => {
  const number = typeof value === 'string' && /^\d{1,9}(\.\d{1,3})?$/.test(value) ? Number(value) : value
  if (typeof number === 'number' && number >= 0 && number <= INTERVAL_SECONDS_MAX) return number
  throw new RangeError(`${name} must be a number of seconds from 0 to ${INTERVAL_SECONDS_MAX}`)
}

const flag: Read<boolean> = (value, name) => {
  if (typeof value === 'boolean') return value
  throw new RangeError(`${name} must be true or false`)
}

const text: Read<string> = (value, name) => {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  throw new RangeError(`${name} must be a text that is not empty`)
}

const policy: Read<FsyncPolicy> = (value, name) => {
  const found = POLICIES.find((one) => one === value)
  if (found !== undefined) return found
  throw new RangeError(`${name} must be one of ${POLICIES.join(', ')}`)
}

const optional =
  <T>(read: Read<T>): Read<T | undefined> =>
  (value, name) =>
    value === undefined ? undefined : read(value, name)

const setting = <T>(read: Read<T>, fallback: T, help: string, value?: string): Setting<T> =>
  value === undefined ? { read, default: fallback, help } : { read, default: fallback, help, value }

const place: Read<Place> = checkPlace
const state: Read<StateKind> = checkStateKind
const port = whole(0, 65_535)

/** By the name on the command line and in the configuration file alike. */
const SETTINGS = {
  store: setting(place, 'file', 'where slices are kept', 'file|postgres://...'),
  'log-store': setting(optional(place), undefined, 'where operations are kept (default: as the slices)', 'file|...'),
  log: setting(policy, 'always', 'when an operation in files counts as durable', POLICIES.join('|')),
  directory: setting(text, './data/exchange', 'for what is kept in files', 'DIR'),
  state: setting(state, 'heap', 'where orders are kept in memory; a slice is read by either', 'heap|arena'),
  interval: setting(seconds, 3600, 'between two snapshots; 0 for none', 'SECONDS'),
  'idle-snapshots': setting(flag, false, 'write snapshots only where nobody else wants a processor'),
  host: setting(text, '127.0.0.1', 'address to bind to', 'ADDRESS'),
  port: setting(port, 50_051, 'of the gRPC service; 0 for a free one', 'PORT'),
  'status-port': setting(optional(port), undefined, 'of the status page (default: no page)', 'PORT'),
  debug: setting(flag, false, 'allow DebugDump, DebugReset and DebugReload'),
  'market-orders': setting(flag, false, 'accept market orders'),
  'stop-writes-on-save-error': setting(flag, false, 'refuse operations while snapshots fail'),
  drain: setting(seconds, 10, 'for calls that are running when the server is to stop', 'SECONDS'),
  'max-connections': setting(whole(1, 100_000), 1000, 'at the same time', 'N'),
  'max-streams': setting(whole(1, 100_000), 1000, 'calls that one connection may have open', 'N'),
  'max-message': setting(whole(1024, 4 * 1024 * 1024), 65_536, 'size of a request', 'BYTES'),
} as const

type Name = keyof typeof SETTINGS
type Values = { [N in Name]: ReturnType<(typeof SETTINGS)[N]['read']> }

const names = Object.keys(SETTINGS) as Name[]

/** The default of every option, for those who start a server within their own process. */
export function defaultOptions(): ExchangeOptions {
  return optionsOf(valuesOf({}, {}))
}

/** Undefined if only the usage was asked for. Throws a RangeError or TypeError that says which option is wrong and why. */
export function readOptions(args: readonly string[]): ExchangeOptions | undefined {
  const { config, help, ...given } = parseCommandLine(args)
  if (help === true) return undefined
  return optionsOf(valuesOf(config === undefined ? {} : readConfig(config as string), given))
}

function parseCommandLine(args: readonly string[]): Record<string, unknown> {
  const known = names.map((name) => [name, { type: SETTINGS[name].read === flag ? 'boolean' : 'string' }] as const)
  const options = { ...Object.fromEntries(known), config: { type: 'string' }, help: { type: 'boolean' } } as const
  return parseArgs({ args: [...args], options, allowNegative: true }).values
}

/** Its message never shows what the file holds, which may be a password. */
function readConfig(path: string): Record<string, unknown> {
  let config: unknown
  try {
    config = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : `cannot be read: ${(error as Error).message}`
    // eslint-disable-next-line preserve-caught-error -- the parser's error quotes what it could not read
    throw new RangeError(`the configuration file ${path} ${why}`)
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new RangeError(`the configuration file ${path} must hold one object`)
  }
  const unknown = Object.keys(config).find((key) => !Object.hasOwn(SETTINGS, key))
  if (unknown !== undefined) throw new RangeError(`the configuration file ${path} has an unknown option "${unknown}"`)
  return config as Record<string, unknown>
}

/** The command line wins over the file, option by option. */
function valuesOf(config: Record<string, unknown>, given: Record<string, unknown>): Values {
  const entries = names.map((name) => {
    const { read, default: fallback } = SETTINGS[name] as Setting<unknown>
    if (given[name] !== undefined) return [name, read(given[name], `--${name}`)] as const
    if (config[name] !== undefined) return [name, read(config[name], `"${name}" in the configuration file`)] as const
    return [name, fallback] as const
  })
  return Object.fromEntries(entries) as Values
}

function optionsOf(values: Values): ExchangeOptions {
  const { store, log, directory, state, host, port, debug } = values
  return {
    ...{ store, log, directory, state, host, port, debug },
    logStore: values['log-store'] ?? store,
    intervalMs: Math.round(values.interval * 1000),
    idleSnapshots: values['idle-snapshots'],
    statusPort: values['status-port'],
    marketOrders: values['market-orders'],
    stopWritesOnSaveError: values['stop-writes-on-save-error'],
    drainMs: Math.round(values.drain * 1000),
    limits: {
      connections: values['max-connections'],
      streams: values['max-streams'],
      messageBytes: values['max-message'],
    },
  }
}

export function usage(): string {
  const lines = names.map((name) => {
    const { value, default: fallback, help } = SETTINGS[name] as Setting<unknown>
    const shown = fallback === undefined || fallback === false ? '' : ` (default: ${fallback as string | number})`
    return `  --${`${name}${value === undefined ? '' : ` ${value}`}`.padEnd(34)} ${help}${shown}`
  })
  return [
    'Usage: npm run exchange -- [options]',
    ...lines,
    `  --${'config FILE'.padEnd(34)} JSON with the same names; the command line wins`,
    '',
    'SIGUSR2 takes a snapshot. SIGTERM and SIGINT end the server: calls that are running finish, a last snapshot is taken.',
    'A second one, a second later or more, cuts off calls and snapshot; what is not closed within 3 s is left, with code 1.',
    'Either way nothing is lost that was answered: it is in the log.',
    '',
    'Others can see a command line: the URL of a database with its password belongs into the configuration file.',
  ].join('\n')
}

import { isIP } from 'node:net'

/** What a load is made of: everything that clients do, or nothing but orders. */
export type Mix = 'trade' | 'orders'

export interface LoadOptions {
  readonly host: string
  readonly port: number
  /** TCP connections; requests go round them. */
  readonly connections: number
  /** Requests a second; Infinity: as many as `inFlight` at a time allow. */
  readonly rate: number
  readonly seconds: number
  /** Users that are registered for this run, at least one for each 500 of `orders`. */
  readonly users: number
  /** Resting orders that are put before the clock starts. */
  readonly orders: number
  /** The same seed gives the same users, and the same order of requests up to what depends on the server's answers. */
  readonly seed: number
  /** Requests that may be without an answer at a time. */
  readonly inFlight: number
  readonly mix: Mix
  /** Whether the sum of every asset over all users is compared before and after. Nobody else may deposit meanwhile. */
  readonly audit: boolean
  /** Whether a host beyond loopback may be loaded. */
  readonly remote: boolean
}

const DEFAULTS: LoadOptions = {
  host: '127.0.0.1',
  port: 50_051,
  connections: 4,
  rate: 1000,
  seconds: 10,
  users: 100,
  orders: 0,
  seed: 1,
  inFlight: 1000,
  mix: 'trade',
  audit: true,
  remote: false,
}

/** Prefilled orders of one user: half of what a user may have, so that trading has room. */
const ORDERS_PER_USER = 500

const CONNECTIONS_MAX = 1000
const RATE_MAX = 1_000_000
const SECONDS_MAX = 3600
const USERS_MAX = 10_000
const IN_FLIGHT_MAX = 100_000

/** Fills in the defaults. Throws a RangeError that names the option and its range. */
export function checkOptions(given: Partial<LoadOptions>): LoadOptions {
  const options = { ...DEFAULTS, ...given }
  whole(options, 'port', 1, 65_535)
  whole(options, 'connections', 1, CONNECTIONS_MAX)
  whole(options, 'users', 1, USERS_MAX)
  whole(options, 'orders', 0, USERS_MAX * ORDERS_PER_USER)
  whole(options, 'seed', 0, Number.MAX_SAFE_INTEGER)
  whole(options, 'inFlight', 1, IN_FLIGHT_MAX)
  if (options.rate !== Infinity) whole(options, 'rate', 1, RATE_MAX)
  if (!(options.seconds > 0 && options.seconds <= SECONDS_MAX)) {
    throw new RangeError(`seconds must be a number above 0 and at most ${SECONDS_MAX}`)
  }
  if (!options.remote && !isLoopback(options.host)) {
    throw new RangeError(`host ${options.host} is not this machine: add --remote if it may be loaded`)
  }
  const users = Math.max(options.users, Math.ceil(options.orders / ORDERS_PER_USER))
  return { ...options, users }
}

function whole(options: LoadOptions, name: keyof LoadOptions, low: number, high: number): void {
  const value = options[name] as number
  if (Number.isSafeInteger(value) && value >= low && value <= high) return
  throw new RangeError(`${name} must be a whole number from ${low} to ${high}`)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

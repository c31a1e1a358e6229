import type { ClientConfig } from 'pg'
import { invalidArgument } from '../checks'
import { errnoOf, ForksnapError, type ForksnapErrorCode, type ForksnapErrorDetails } from '../errors'

/** How to reach the server: a `postgres://` URL, or anything that `pg` takes as a client's configuration. */
export type PostgresConnection = string | ClientConfig

/** A configuration that can be sent to another process: what were functions has been called or refused. */
export type PlainConnection = Omit<ClientConfig, 'password' | 'stream' | 'types' | 'Promise'> & {
  readonly password?: string
}

const CONNECT_TIMEOUT_MS = 10_000
const URL_FORM = /^postgres(ql)?:\/\//

/** Throws `ERR_INVALID_ARGUMENT` for what is no connection. The value stays out of the message: it may hold a password. */
export function checkConnection(connection: unknown): asserts connection is PostgresConnection {
  const expected = 'a postgres:// URL or a configuration of pg ({ host, port, user, password, database, ssl, ... })'
  if (typeof connection === 'string') {
    if (URL_FORM.test(connection)) return
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `connection must be ${expected}; the text given is no such URL`)
  }
  if (typeof connection !== 'object' || connection === null) throw invalidArgument('connection', expected, connection)
  const config = connection as ClientConfig
  for (const key of ['stream', 'types'] as const) {
    if (config[key] === undefined) continue
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `connection.${key} cannot be used: another process connects too`)
  }
  if (typeof config.ssl === 'object' && Object.values(config.ssl).some((value) => typeof value === 'function')) {
    const message = 'connection.ssl must hold no functions: another process connects too; give ca, cert and key'
    throw new ForksnapError('ERR_INVALID_ARGUMENT', message)
  }
}

/**
 * The configuration with the password that its function gives now, or that the environment holds. Limits on the time of
 * queries are left out, since a slice takes as long as it takes.
 */
export async function plainConnection(connection: PostgresConnection): Promise<PlainConnection> {
  const given: ClientConfig = typeof connection === 'string' ? { connectionString: connection } : connection
  const config: Record<string, unknown> = {
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    ...given,
  }
  for (const key of ['query_timeout', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']) {
    delete config[key]
  }
  const password = typeof given.password === 'function' ? await given.password() : given.password
  delete config.password
  const secret = password ?? (hasPassword(given.connectionString) ? undefined : process.env.PGPASSWORD)
  return { ...config, ...(secret === undefined ? {} : { password: secret }) }
}

function hasPassword(url: string | undefined): boolean {
  return url !== undefined && secretsOf({ connectionString: url }).length > 0
}

/** Every text of a configuration that must not be shown. */
export function secretsOf(connection: PlainConnection): string[] {
  const { password, connectionString } = connection
  const secrets = password === undefined ? [] : [password]
  const inUrl = /^[^:]+:\/\/[^/@]*?:([^@/]*)@/.exec(connectionString ?? '')?.[1]
  const asParameter = /[?&]password=([^&#]*)/.exec(connectionString ?? '')?.[1]
  for (const raw of [inUrl, asParameter]) {
    if (raw === undefined) continue
    secrets.push(raw)
    try {
      secrets.push(decodeURIComponent(raw))
    } catch {
      // Its encoding is broken; as it stands it is among the secrets already.
    }
  }
  const key = typeof connection.ssl === 'object' ? connection.ssl.key : undefined
  if (typeof key === 'string') secrets.push(key)
  return secrets.filter((secret) => secret !== '')
}

/** Takes every secret out of a text. */
export function scrub(text: string, secrets: readonly string[]): string {
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), text)
}

const ADVICE: { readonly [code: string]: string } = {
  ECONNREFUSED: 'see whether the server runs and listens there',
  ENOENT: 'see whether the server runs and its socket is there',
  ENOTFOUND: 'the host name cannot be resolved',
  ETIMEDOUT: 'see whether the server can be reached',
  '28P01': 'user or password are wrong',
  '28000': 'the server does not let this user in; see its pg_hba.conf',
  '3D000': 'create the database first',
  '42501': 'the role lacks a right; grant it',
  '53100': 'the disk of the server is full',
  '53300': 'the server has no connection left',
  '57P01': 'the server or an administrator ended the connection',
  '57P03': 'the server is starting or stopping; try again',
}

/** Whether the server said it, by its five-character code, and not the way to it. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = errnoOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code) ? code : undefined
}

/**
 * An error of `pg` as a ForksnapError that says what was being done, with the server's code (or the system's) as `errno`.
 * Its cause is an error of our own that holds the message and the code and nothing else: what `pg` attaches may hold
 * rows of the state, and a configuration its password.
 */
export function asDatabaseError(
  error: unknown,
  doing: string,
  secrets: readonly string[],
  code: ForksnapErrorCode = 'ERR_STORE_FAILED',
): ForksnapError {
  if (error instanceof ForksnapError) return error
  const errno = errnoOf(error)
  const said = scrub(messageOf(error), secrets)
  const cause = Object.assign(new Error(said), errno === undefined ? {} : { code: errno })
  const details: ForksnapErrorDetails = errno === undefined ? { cause } : { cause, errno }
  const advice = ADVICE[errno ?? ''] ?? 'see the cause and the log of the server'
  return new ForksnapError(code, `Could not ${doing} (PostgreSQL: ${said}); ${advice}`, details)
}

/** Connecting to a name with several addresses fails with an error for each of them and an empty message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

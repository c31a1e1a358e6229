import { Client, type QueryResult, type QueryResultRow } from 'pg'
import { afterMs } from '../after-ms'
import { ForksnapError } from '../errors'
import { asDatabaseError, type PlainConnection, secretsOf, sqlStateOf } from './connection'

/**
 * What a session is pinned to, so that no setting of server, database or role changes what the same bytes mean, ends a
 * long COPY, or makes a COMMIT less durable than it says. Settings that a server does not know are passed over.
 */
const PINNED: readonly (readonly [name: string, value: string])[] = [
  ['client_encoding', 'UTF8'],
  ['datestyle', 'ISO, MDY'],
  ['timezone', 'UTC'],
  ['intervalstyle', 'postgres'],
  ['bytea_output', 'hex'],
  ['extra_float_digits', '1'],
  ['standard_conforming_strings', 'on'],
  ['statement_timeout', '0'],
  ['lock_timeout', '0'],
  ['transaction_timeout', '0'],
  ['idle_in_transaction_session_timeout', '0'],
  ['idle_session_timeout', '0'],
  ['default_transaction_isolation', 'read committed'],
  ['default_transaction_read_only', 'off'],
  ['default_transaction_deferrable', 'off'],
  // A sequential scan that joins another one in its middle returns rows in another order.
  ['synchronize_seqscans', 'off'],
]

/** `remote_apply` is stronger than `on` and stays. */
const PIN = `
  SELECT set_config(s.name, p.value, false)
    FROM pg_settings s JOIN unnest($1::text[], $2::text[]) AS p(name, value) ON lower(s.name) = p.name
  UNION ALL
  SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply'`

const IDENTIFY = `
  SELECT pg_backend_pid() AS pid, backend_start::text AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()`

/** Shared with the listeners, which are there before the session is. */
interface Lost {
  error: ForksnapError | undefined
}

/** Names one connection at the server for ever: process ids are used again, together with the time they are not. */
export interface Backend {
  readonly pid: number
  readonly started: string
}

/** A session is closed by an answer too, which nobody needs to wait for. */
const CLOSE_MS = 5_000

/**
 * One pinned connection. Every error of it is a ForksnapError (`ERR_STORE_FAILED`) with the server's code as `errno`
 * and without a password. A connection that was lost stays lost: open a new session.
 */
export class Session {
  /** For streams of COPY. Their errors go through `error()`. */
  readonly client: Client
  readonly backend: Backend
  readonly #connection: PlainConnection
  readonly #secrets: readonly string[]
  readonly #answerMs: number | undefined
  readonly #lost: Lost
  /** How many of the answers that are waited for may take long. */
  #long = 0
  #late: Error | undefined
  #closed = false

  private constructor(client: Client, backend: Backend, lost: Lost, connection: PlainConnection, answerMs?: number) {
    this.client = client
    this.backend = backend
    this.#lost = lost
    this.#connection = connection
    this.#secrets = secretsOf(connection)
    this.#answerMs = answerMs
  }

  /**
   * Connects and pins, all of it within `connectionTimeoutMillis` of the configuration, or `answerMs` if that is 0. `name`
   * is what the server shows as the application's name unless the configuration says one. With `answerMs` a session that
   * gives no answer for so long is dropped.
   */
  static async open(connection: PlainConnection, name = 'forksnap', answerMs?: number): Promise<Session> {
    const secrets = secretsOf(connection)
    const lost: Lost = { error: undefined }
    // Not `??`: to pg, 0 means without a limit.
    const limitMs = connection.connectionTimeoutMillis || answerMs || 0
    let client: Client | undefined
    let late: Error | undefined
    let stop = (): void => undefined
    try {
      // Its own limit says no code, and ends with the password's check: what follows may be left without an answer too.
      const opening = new Client({ application_name: name, ...connection, connectionTimeoutMillis: 0 })
      client = opening
      // Without a listener a lost connection would be an uncaught exception.
      client.on('error', (error) => (lost.error ??= asDatabaseError(error, 'keep the connection', secrets)))
      client.on('end', () => (lost.error ??= asDatabaseError(new Error('it ended'), 'keep the connection', secrets)))
      if (limitMs > 0) {
        stop = afterMs(limitMs, () => {
          late = noAnswer(limitMs)
          cut(opening)
        })
      }
      await client.connect()
      await client.query(PIN, [PINNED.map(([setting]) => setting), PINNED.map(([, value]) => value)])
      const { rows } = await client.query<Backend>(IDENTIFY)
      return new Session(client, rows[0], lost, connection, answerMs)
    } catch (error) {
      if (client !== undefined) cut(client)
      throw asDatabaseError(late ?? error, 'connect to the database', secrets)
    } finally {
      stop()
    }
  }

  /** Why the connection is no longer there, or undefined while it is. */
  get lost(): ForksnapError | undefined {
    return this.#lost.error
  }

  /** An error of this connection in our own form. */
  error(error: unknown, doing: string): ForksnapError {
    return asDatabaseError(error, doing, this.#secrets)
  }

  /** `doing` says in a few words what for, for the error. */
  async query<R extends QueryResultRow = QueryResultRow>(
    doing: string,
    text: string,
    values?: readonly unknown[],
  ): Promise<QueryResult<R>> {
    this.#checkUsable(doing)
    return this.#limited(doing, this.client.query<R>(text, values === undefined ? undefined : [...values]))
  }

  /** For a statement that may rightly take longer than `answerMs`: see `patiently`. */
  async queryLong<R extends QueryResultRow = QueryResultRow>(
    doing: string,
    text: string,
    values?: readonly unknown[],
  ): Promise<QueryResult<R>> {
    this.#checkUsable(doing)
    return this.patiently(doing, () => this.client.query<R>(text, values === undefined ? undefined : [...values]))
  }

  /**
   * Waits for something of this connection for as long as the server is seen to work on it, which is asked over another
   * connection every `answerMs`. A server that itself waits for this client has not heard it, or was not heard.
   */
  async patiently<T>(doing: string, work: () => Promise<T>): Promise<T> {
    this.#long += 1
    try {
      return await this.#limited(doing, work())
    } finally {
      this.#long -= 1
    }
  }

  /** What waits behind a long statement waits as long as that. */
  async #limited<T>(doing: string, work: Promise<T>): Promise<T> {
    let waiting = true
    let stop = (): void => undefined
    const judge = async (): Promise<void> => {
      if (this.#long > 0 && (await this.#isWorking())) watch()
      else if (waiting) this.#giveUp()
    }
    const watch = (): void => {
      if (this.#answerMs !== undefined && waiting) stop = afterMs(this.#answerMs, () => void judge())
    }
    watch()
    try {
      return await work
    } catch (error) {
      throw this.error(this.#late ?? error, doing)
    } finally {
      waiting = false
      stop()
    }
  }

  async #isWorking(): Promise<boolean> {
    const { pid, started } = this.backend
    const text = `
      SELECT FROM pg_stat_activity
       WHERE pid = $1 AND backend_start = $2::timestamptz AND wait_event_type IS DISTINCT FROM 'Client'`
    try {
      const aside = await Session.open(this.#connection, 'forksnap', this.#answerMs)
      const asking = aside.query('see what an earlier connection does', text, [pid, started])
      return (await asking.finally(() => aside.close())).rowCount === 1
    } catch (error) {
      // A server that lets nobody in can be reached, and may be working.
      return sqlStateOf({ code: (error as ForksnapError).errno }) !== undefined
    }
  }

  #giveUp(): void {
    this.#late ??= noAnswer(this.#answerMs as number)
    this.#lost.error ??= this.error(this.#late, 'keep the connection')
    this.drop()
  }

  /** Runs work in a transaction: COMMIT if it resolves, ROLLBACK if not. */
  async transaction<T>(doing: string, work: () => Promise<T>, mode = ''): Promise<T> {
    await this.query(doing, `BEGIN ${mode}`)
    try {
      const result = await work()
      await this.query(doing, 'COMMIT')
      return result
    } catch (error) {
      // The first error is the one to tell; a connection that cannot even roll back is dropped, which rolls back too.
      await this.query(doing, 'ROLLBACK').catch(() => this.drop())
      throw error
    }
  }

  /** Ends the connection in order. Idempotent; resolves also if the connection is broken. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.lost !== undefined) return this.drop()
    const stop = afterMs(Math.min(CLOSE_MS, this.#answerMs ?? CLOSE_MS), () => this.drop())
    await this.client.end().catch(() => undefined)
    stop()
  }

  /** Cuts the connection without a word, whatever it is busy with. The server rolls back what was open. */
  drop(): void {
    this.#closed = true
    this.#lost.error ??= new ForksnapError('ERR_STORE_FAILED', 'The connection to the database was dropped')
    cut(this.client)
  }

  #checkUsable(doing: string): void {
    if (this.lost !== undefined) throw this.error(this.lost, doing)
    if (this.#closed) throw new ForksnapError('ERR_INVALID_STATE', `Could not ${doing}: the connection was closed`)
  }
}

function noAnswer(ms: number): Error {
  return Object.assign(new Error(`no answer within ${ms} ms`), { code: 'ETIMEDOUT' })
}

/** Everything that waits for the connection is told. */
function cut(client: Client): void {
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection
  stream.destroy()
}

/**
 * Ends another connection at the server and waits until what it did is committed or rolled back for good. Does nothing if it
 * is gone already. The wait is bounded; rejects if that connection is still there after it.
 */
export async function endBackend(session: Session, backend: Backend): Promise<void> {
  const doing = 'end an earlier connection'
  const values = [backend.pid, backend.started]
  const where = 'pid = $1 AND backend_start = $2::timestamptz'
  // pg_terminate_backend waits itself: each round ends as soon as the backend is gone.
  for (let round = 0; round < END_ROUNDS; round++) {
    const text = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${where}`
    const { rowCount } = await session.query(doing, text, values)
    if (rowCount === 0) return
    await session.query(doing, 'SELECT pg_sleep($1)', [END_SLEEP_S])
    await session.query(doing, 'SELECT pg_stat_clear_snapshot()')
  }
  throw new ForksnapError('ERR_STORE_FAILED', `The connection ${backend.pid} at the server does not end; end it there`)
}

const END_ROUNDS = 500
const END_SLEEP_S = 0.02

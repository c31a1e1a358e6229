import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { QueryResultRow } from 'pg'
import type { LogEntry, NewOperation } from '../../src/oplog/oplog'
import { PostgresOperationLog } from '../../src/oplog/postgres'
import type { PostgresOperationLogOptions } from '../../src/oplog/postgres-options'
import { Cluster, type ClusterOptions } from './postgres'

/** What the tests of PostgresOperationLog share. */

export type LogOptions = Partial<PostgresOperationLogOptions>

export const op = (n: number): NewOperation => ({ method: 'put', params: { n }, time: 1_700_000_000_000 + n })

export async function readAll(log: PostgresOperationLog, after = 0n): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  for await (const page of log.read(after)) entries.push(...page)
  return entries
}

export const idsOf = (entries: readonly LogEntry[]): bigint[] => entries.map(({ id }) => id)

/** The ids from one to another, both included. */
export const span = (from: number, to: number): bigint[] =>
  Array.from({ length: to - from + 1 }, (_, i) => BigInt(from + i))

export function codeOf(work: () => unknown): unknown {
  try {
    work()
    return 'nothing was thrown'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

/** Repeats until the check holds; the test's own time limit ends it otherwise. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise(setImmediate)
}

/** One cluster for a test file, a fresh database for each test; logs that a test leaves open are closed. */
export class LogTests {
  cluster!: Cluster
  database = ''
  readonly #opened: PostgresOperationLog[] = []

  constructor(options: ClusterOptions = {}) {
    beforeAll(async () => {
      this.cluster = await Cluster.start(options)
    })
    afterAll(() => this.cluster.dispose())
    beforeEach(async () => {
      this.database = await this.cluster.createDatabase()
    })
    afterEach(async () => {
      await Promise.allSettled(this.#opened.splice(0).map((log) => log.close()))
    })
  }

  open(options: LogOptions = {}): PostgresOperationLog {
    const log = new PostgresOperationLog({ connection: this.cluster.config(this.database), ...options })
    this.#opened.push(log)
    return log
  }

  async started(options: LogOptions = {}): Promise<PostgresOperationLog> {
    const log = this.open(options)
    await log.start()
    return log
  }

  sql<R extends QueryResultRow = QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]> {
    return this.cluster.sql<R>(this.database, text, values)
  }

  /** Ids and params as the table has them, in order. */
  async table(): Promise<{ id: bigint; n: number }[]> {
    const rows = await this.sql<{ id: string; params: string }>('SELECT id, params FROM operation_log ORDER BY id')
    return rows.map(({ id, params }) => ({ id: BigInt(id), n: (JSON.parse(params) as { n: number }).n }))
  }

  /** Keeps everybody from writing into the log until it is released. */
  async block(): Promise<{ waited(): Promise<void>; release(): Promise<void> }> {
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    const done = this.#lockTable(released)
    await until(async () => (await this.#locks(true)) > 0)
    return {
      /** Resolves when somebody waits for the lock. */
      waited: () => until(async () => (await this.#locks(false)) > 0),
      release: async () => {
        release()
        await done
      },
    }
  }

  async #lockTable(released: Promise<void>): Promise<void> {
    await this.cluster.with(this.database, async (client) => {
      await client.query('BEGIN')
      await client.query('LOCK TABLE operation_log IN SHARE MODE')
      await released
      await client.query('COMMIT')
    })
  }

  async #locks(granted: boolean): Promise<number> {
    const text = `SELECT count(*)::int AS n FROM pg_locks
      WHERE granted = $1 AND relation = 'operation_log'::regclass AND mode IN ('ShareLock', 'RowExclusiveLock')`
    return (await this.sql<{ n: number }>(text, [granted]))[0]?.n ?? 0
  }
}

/** What a proxy does with the next batch that comes through. */
export type Fault = 'lose the request' | 'lose the answer' | 'forget the client' | 'swallow the answer'

/** The end of every answer of the server: ready for the next query, outside of a transaction. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])
const BATCH = Buffer.from('INSERT INTO "public"."operation_log"')

/** Stands between the log and the server's socket and harms the connections that batches go through. */
export class Proxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #folder = mkdtempSync(join(tmpdir(), 'forksnap-proxy-'))
  readonly #port: number
  #fault: Fault | undefined
  #faults = 0

  private constructor(cluster: Cluster) {
    this.#port = cluster.port
    this.#server = createServer((client) => this.#serve(client, join(cluster.folder, `.s.PGSQL.${cluster.port}`)))
  }

  static async start(cluster: Cluster): Promise<Proxy> {
    const proxy = new Proxy(cluster)
    await once(proxy.#server.listen(join(proxy.#folder, `.s.PGSQL.${cluster.port}`)), 'listening')
    return proxy
  }

  /** Host and port that lead through the proxy. */
  get address(): { host: string; port: number } {
    return { host: this.#folder, port: this.#port }
  }

  /** How many batches were harmed so far. */
  get faults(): number {
    return this.#faults
  }

  arm(fault: Fault): void {
    this.#fault = fault
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server.close(), 'close')
    rmSync(this.#folder, { recursive: true })
  }

  #serve(client: Socket, path: string): void {
    const server = connect(path)
    let fault: Fault | undefined
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
    }
    client.on('data', (data: Buffer) => {
      fault ??= this.#take(data)
      if (fault === 'lose the request') return cut(client, server)
      server.write(data)
      if (fault === 'forget the client') client.destroy()
    })
    server.on('data', (data: Buffer) => {
      if (fault === undefined) return void client.write(data)
      if (fault === 'lose the answer' && data.subarray(-READY.length).equals(READY)) cut(client, server)
    })
    // A client that is forgotten leaves its connection at the server, as a network that is cut does.
    client.on('close', () => fault === 'forget the client' || server.destroy())
    server.on('close', () => client.destroy())
  }

  #take(data: Buffer): Fault | undefined {
    if (this.#fault === undefined || !data.includes(BATCH)) return undefined
    const fault = this.#fault
    this.#fault = undefined
    this.#faults += 1
    return fault
  }
}

function cut(...sockets: Socket[]): void {
  for (const socket of sockets) socket.destroy()
}

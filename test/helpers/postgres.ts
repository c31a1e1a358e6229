import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { randomInt } from 'node:crypto'
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Client, type ClientConfig, type QueryResultRow } from 'pg'

/**
 * A PostgreSQL server of the tests' own: a private cluster in a temporary folder, on a socket in that folder. A watcher
 * process stops the server and removes the folder as soon as this process is gone, however it went.
 */

/** Debian keeps the server's programs out of the PATH. */
const DEBIAN = '/usr/lib/postgresql'

function programFolders(): string[] {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  return [...(process.env.PATH ?? '').split(delimiter), ...debian.map((version) => join(DEBIAN, version, 'bin'))]
}

/** Path of a PostgreSQL program, or undefined if it is not on this machine. */
export function postgresProgram(name: string): string | undefined {
  return programFolders()
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))
}

/** The server refuses to run as root: then it runs as the user that its package has made. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.geteuid?.() !== 0) return undefined
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((entry) => entry.startsWith('postgres:')) // prettier-ignore
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

/** Why no server can be started here, or null if one can. */
export const reasonAgainstPostgres: string | null = ['initdb', 'pg_ctl', 'postgres'].some(
  (name) => postgresProgram(name) === undefined,
)
  ? 'needs a PostgreSQL server: install postgresql'
  : process.geteuid?.() === 0 && serverUser() === undefined
    ? 'needs a user postgres, since the server refuses to run as root'
    : null

export interface ClusterOptions {
  /** Lines of postgresql.conf. `fsync` is off unless said otherwise here. */
  readonly settings?: Readonly<Record<string, string>>
  /** Listens on 127.0.0.1 too, with the port that the socket has. */
  readonly tcp?: boolean
  /** Lines of pg_hba.conf that come before those that let everybody in through the socket. */
  readonly access?: readonly string[]
}

const SETTINGS = {
  fsync: 'off',
  max_connections: '60',
  shared_buffers: '32MB',
  unix_socket_permissions: '0700',
  log_min_messages: 'fatal',
}

/** Stops the server and removes the folder when its standard input ends. */
const WATCHER = `trap '' INT TERM HUP; cat > /dev/null; "$1" -D "$2/data" -m immediate -w stop; rm -rf "$2"`

export class Cluster {
  readonly folder: string
  readonly port: number
  readonly #user = serverUser()
  readonly #watcher: ChildProcess
  #databases = 0

  private constructor(folder: string, port: number) {
    this.folder = folder
    this.port = port
    if (this.#user !== undefined) chownSync(folder, this.#user.uid, this.#user.gid)
    const args = ['-c', WATCHER, 'sh', program('pg_ctl'), folder]
    const stdio = ['pipe', 'ignore', 'ignore'] as ['pipe', 'ignore', 'ignore']
    this.#watcher = spawn('sh', args, { stdio, detached: true, cwd: '/', ...this.#user })
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    if (reasonAgainstPostgres !== null) throw new Error(reasonAgainstPostgres)
    const cluster = new Cluster(mkdtempSync(join(tmpdir(), 'forksnap-pg-')), await freePort())
    try {
      cluster.#initialize(options)
      cluster.start()
      return cluster
    } catch (error) {
      await cluster.dispose()
      throw error
    }
  }

  get data(): string {
    return join(this.folder, 'data')
  }

  #initialize({ settings = {}, tcp = false, access = [] }: ClusterOptions): void {
    this.#run('initdb', ['-D', this.data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'])
    const all = {
      ...SETTINGS,
      port: String(this.port),
      listen_addresses: tcp ? '127.0.0.1' : '',
      unix_socket_directories: this.folder,
      ...settings,
    }
    const lines = Object.entries(all).map(([name, value]) => `${name} = '${value}'\n`)
    appendFileSync(join(this.data, 'postgresql.conf'), lines.join(''))
    writeFileSync(join(this.data, 'pg_hba.conf'), [...access, 'local all all trust', ''].join('\n'))
  }

  /** Starts the server and waits until it takes connections. */
  start(): void {
    this.#run('pg_ctl', ['-D', this.data, '-l', join(this.folder, 'log'), '-w', 'start'])
  }

  /** `immediate` is a crash: the next start recovers from the write-ahead log. */
  stop(mode: 'immediate' | 'fast'): void {
    this.#run('pg_ctl', ['-D', this.data, '-m', mode, '-w', 'stop'])
  }

  restart(mode: 'immediate' | 'fast'): void {
    this.#run('pg_ctl', ['-D', this.data, '-l', join(this.folder, 'log'), '-m', mode, '-w', 'restart'])
  }

  /** What the server has logged. */
  log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8')
  }

  /** Stops the server and removes the folder. Every test file that starts a cluster calls this in `afterAll`. */
  async dispose(): Promise<void> {
    const ended = once(this.#watcher, 'exit')
    this.#watcher.stdin?.end()
    await ended
  }

  config(database = 'postgres', user = 'postgres'): ClientConfig {
    return { host: this.folder, port: this.port, database, user }
  }

  url(database = 'postgres', user = 'postgres'): string {
    return `postgres://${user}@/${database}?host=${encodeURIComponent(this.folder)}&port=${this.port}`
  }

  /** A fresh empty database; returns its name. */
  async createDatabase(): Promise<string> {
    const name = `test_${++this.#databases}`
    await this.sql('postgres', `CREATE DATABASE ${name}`)
    return name
  }

  /** Runs one query over a connection of its own. */
  async sql<R extends QueryResultRow = QueryResultRow>(
    database: string,
    text: string,
    values?: readonly unknown[],
  ): Promise<R[]> {
    return this.with(database, async (client) => (await client.query<R>(text, values && [...values])).rows)
  }

  async with<T>(database: string, work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client(this.config(database))
    client.on('error', () => undefined)
    await client.connect()
    return work(client).finally(() => client.end())
  }

  #run(name: string, args: readonly string[]): void {
    // The server inherits its output, so a pipe would stay open for as long as it runs.
    const stdio: ['ignore', 'ignore', 'ignore'] = ['ignore', 'ignore', 'ignore']
    const { status } = spawnSync(program(name), args, { stdio, cwd: '/', ...this.#user })
    if (status === 0) return
    const log = existsSync(join(this.folder, 'log')) ? this.log().slice(-2000) : ''
    throw new Error(`${name} ${args.join(' ')} ended with ${status}\n${log}`)
  }
}

function program(name: string): string {
  const path = postgresProgram(name)
  if (path === undefined) throw new Error(`${name} is not on this machine`)
  return path
}

/**
 * Below those that the kernel gives to connections (from 32768 on): another test's could else get it before the server, which
 * is initialized first.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000)
    const server = createServer()
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening')
    } catch (error) {
      if ((error as { code?: string }).code === 'EADDRINUSE') continue
      throw error
    }
    await once(server.close(), 'close')
    return port
  }
}

/** A self-signed certificate for `localhost` in a cluster's folder; null where there is no openssl. */
export function makeCertificate(folder: string): { cert: string; key: string } | null {
  const [cert, key] = [join(folder, 'server.crt'), join(folder, 'server.key')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  try {
    const args = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      ...subject,
      '-keyout',
      key,
      '-out',
      cert,
    ]
    execFileSync('openssl', args, { stdio: 'ignore' })
  } catch {
    return null
  }
  const user = serverUser()
  if (user !== undefined) for (const path of [cert, key]) chownSync(path, user.uid, user.gid)
  return { cert, key }
}

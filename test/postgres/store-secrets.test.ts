import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import type { ClientConfig } from 'pg'
import { asDatabaseError, plainConnection, secretsOf } from '../../src/postgres/connection'
import { ForksnapError, isForksnapError } from '../../src/errors'
import type { SliceWriter } from '../../src/slice/types'
import { PostgresStore } from '../../src/store/postgres'
import { fromWire, toWire } from '../../src/store/writer-process-protocol'
import { Cluster, makeCertificate, reasonAgainstPostgres } from '../helpers/postgres'
import { StoreServer } from '../helpers/postgres-server'
import {
  commitAnyway,
  numbers,
  PostgresStores,
  publishInto,
  render,
  until,
  writeBytes,
} from '../helpers/postgres-store'
import { describeUnless } from '../helpers/store-fixture'
import { rejection } from '../helpers/store-slices'

const PASSWORD = 'p@ss/w:rd%7 "\'secret'

/** Everything that other users of the machine or a log could see of a process. */
function visible(pid: number): string {
  const files = ['cmdline', 'environ', 'comm', 'status']
  return files.map((name) => readFileSync(`/proc/${pid}/${name}`, 'latin1')).join('\n')
}

describeUnless(reasonAgainstPostgres, 'Passwords and TLS', () => {
  let cluster: Cluster
  let certificate: { cert: string; key: string } | null
  let tcp: ClientConfig
  const stores = new PostgresStores()
  const variants = [PASSWORD, encodeURIComponent(PASSWORD), 'secret']

  beforeAll(async () => {
    const access = [
      'hostssl all secretive 127.0.0.1/32 scram-sha-256',
      'hostnossl all plain 127.0.0.1/32 scram-sha-256',
    ]
    cluster = await Cluster.start({ tcp: true, access })
    certificate = makeCertificate(cluster.folder)
    const quoted = `'${PASSWORD.replaceAll("'", "''")}'`
    for (const user of ['secretive', 'plain']) {
      await cluster.sql('postgres', `CREATE ROLE ${user} SUPERUSER LOGIN PASSWORD ${quoted}`)
    }
    if (certificate !== null) {
      await cluster.sql('postgres', `ALTER SYSTEM SET ssl_cert_file = '${certificate.cert}'`)
      await cluster.sql('postgres', `ALTER SYSTEM SET ssl_key_file = '${certificate.key}'`)
      await cluster.sql('postgres', 'ALTER SYSTEM SET ssl = on')
      cluster.restart('fast')
    }
    tcp = { host: '127.0.0.1', port: cluster.port, database: 'postgres', password: PASSWORD }
  })
  afterEach(() => stores.closeAll())
  afterAll(() => cluster.dispose())

  const expectNoSecret = (text: string): void => {
    for (const secret of variants) expect(text).not.toContain(secret)
  }

  it('go over TLS with a certificate that is checked', async () => {
    if (certificate === null) return console.warn('no openssl: TLS is not tested')
    const ca = readFileSync(certificate.cert, 'utf8')
    const connection = { ...tcp, host: 'localhost', user: 'secretive', ssl: { ca } }
    const store = await stores.started({ ...connection, host: '127.0.0.1' }, { name: 'tls' })
    const { sliceId } = await publishInto(store, numbers(10))
    const source = await store.open(sliceId)
    await source.verify()
    await source.close()
    const [used] = await cluster.sql(
      'postgres',
      `SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND usename = 'secretive'`,
    )
    expect(Number(used.count)).toBeGreaterThan(0)
    const unchecked = stores.make({ ...tcp, user: 'secretive', ssl: true }, { name: 'tls' })
    await expect(unchecked.start()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' })
  })

  it('come from a function each time, and from a URL', async () => {
    let asked = 0
    const password = (): Promise<string> => Promise.resolve(((asked += 1), PASSWORD))
    const store = await stores.started({ ...tcp, user: 'plain', password, ssl: false }, { name: 'f' })
    await publishInto(store, numbers(1))
    expect(asked).toBeGreaterThan(1)
    const url = `postgres://plain:${encodeURIComponent(PASSWORD)}@127.0.0.1:${cluster.port}/postgres`
    await publishInto(await stores.started(url, { name: 'u' }), numbers(1))
  })

  it('are in no error, whatever fails', async () => {
    const wrong = `${PASSWORD}x`
    const url = `postgres://plain:${encodeURIComponent(PASSWORD)}@127.0.0.1:1/postgres`
    const broken = `postgres://plain:${PASSWORD}@127.0.0.1:port/%zz`
    const connections = [{ ...tcp, user: 'plain', password: wrong }, url, broken, `${url}?sslrootcert=/none&ssl=true`]
    for (const connection of connections) {
      const store = stores.make(connection)
      const error = await rejection(store.start())
      expect(error).toMatchObject({ code: 'ERR_STORE_FAILED' })
      expectNoSecret(inspect(error, { depth: 9, showHidden: true }) + inspect(store, { depth: 9, showHidden: true }))
    }
    // No error of pg holds a password today; one that did would be cleaned.
    const secrets = secretsOf(await plainConnection(url))
    const cleaned = asDatabaseError(new Error(`it is ${PASSWORD} or ${url}`), 'look', secrets)
    expectNoSecret(`${cleaned.message} ${(cleaned.cause as Error).message}`)
    const notUrl = (): PostgresStore => new PostgresStore({ connection: `mysql://x:${PASSWORD}@y` })
    expect(notUrl).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    expect(notUrl).not.toThrow(/secret/)
  })

  it('are in no argument, environment, title or output of server, writer and child', async () => {
    const server = new StoreServer({ connection: { ...tcp, user: 'plain', ssl: false }, name: 'proc' })
    await server.do('start')
    const { pid, writer } = (await server.do('pids')) as { pid: number; writer: number }
    await server.do('hold')
    server.fixture.say('save')
    const child = await server.forked()
    for (const one of [pid, writer, child]) expectNoSecret(visible(one))
    expect(visible(writer)).toContain('forksnap-writer')
    process.kill(writer, 'SIGKILL')
    process.kill(child, 'SIGKILL')
    await server.answer('save')
    server.fixture.kill('SIGKILL')
    const end = await server.fixture.closed
    expectNoSecret(end.stdout + end.stderr)
    for (const name of readdirSync(cluster.folder)) {
      if (name === 'log') expectNoSecret(readFileSync(join(cluster.folder, name), 'utf8'))
    }
  })

  it('are kept out of the environment of the writer', async () => {
    process.env.PGPASSWORD = PASSWORD
    try {
      const { password: _password, ...connection } = tcp
      const store = await stores.started({ ...connection, user: 'plain', ssl: false }, { name: 'env' })
      await publishInto(store, numbers(1))
      expectNoSecret(visible(store.writerPid as number))
    } finally {
      delete process.env.PGPASSWORD
    }
  })

  it('are known to the writer process, which says none, wherever it comes across one', async () => {
    const table = PASSWORD.replaceAll('"', '')
    await cluster.sql('postgres', `CREATE UNLOGGED TABLE "${table}" (slice_id bigint, a text)`)
    const password = table
    await cluster.sql('postgres', `ALTER ROLE plain PASSWORD '${table.replaceAll("'", "''")}'`)
    const store = await stores.started({ ...tcp, user: 'plain', password, ssl: false }, { name: 'said' })
    const write = (slice: SliceWriter): void => slice.table(table, [['a', 'text']]).row('x')
    const refused = await rejection(commitAnyway(await store.create(), write))
    expect(refused).toMatchObject({ code: 'ERR_INVALID_VALUE', message: expect.stringContaining('***') as string })
    const sink = await store.create()
    const { bytes } = render(sink, write)
    await writeBytes(sink.fd, bytes).catch(() => undefined)
    let explained: unknown
    await until(async () => {
      explained = await sink.explain?.(new Error('the child saw EPIPE'))
      return isForksnapError(explained) ? [explained] : []
    })
    expect(refused.message + (explained as Error).message).not.toContain(table)
    await sink.cancel()
    await cluster.sql('postgres', `ALTER ROLE plain PASSWORD '${PASSWORD.replaceAll("'", "''")}'`)
  })

  it('are taken out of every error that the writer process passes on', () => {
    const foreign = new Error(`connect to ${PASSWORD} failed`)
    const ours = new ForksnapError('ERR_STORE_FAILED', `Could not use ${PASSWORD}`, { cause: foreign })
    for (const error of [foreign, ours, PASSWORD]) {
      const { message, cause } = fromWire(toWire(error, [PASSWORD]))
      expectNoSecret([message, (cause as Error | undefined)?.message].join('\n'))
    }
  })
})

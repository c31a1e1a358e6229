import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Check } from '../../src/cli/doctor/check'
import { PostgresOperationLog } from '../../src/oplog/postgres'
import { inBoth, inPipe, inTerminal, uncoloured } from '../helpers/cli'
import { Cluster, postgresProgram, reasonAgainstPostgres } from '../helpers/postgres'
import { numbers, PostgresStores, publishInto } from '../helpers/postgres-store'
import { frames } from '../helpers/slice-memory'
import { describeUnless } from '../helpers/store-fixture'
import { publish, StoreBench } from '../helpers/store-slices'

/** The commands on a database: what they read there, and `load`, which writes. */

describeUnless(reasonAgainstPostgres, 'The command line and PostgreSQL', () => {
  let cluster: Cluster
  let [database, url, empty] = ['', '', '']
  const stores = new PostgresStores()
  const bench = new StoreBench()

  beforeAll(async () => {
    cluster = await Cluster.start()
    database = await cluster.createDatabase()
    url = cluster.url(database)
    empty = cluster.url(await cluster.createDatabase())
    const store = await stores.started(cluster.config(database))
    await publishInto(store, numbers(3), { position: 3n })
    await publishInto(store, (slice) => (numbers(2)(slice), slice.blob('book', Buffer.alloc(5))), { position: 5n })
    await store.close()
    const log = new PostgresOperationLog({ connection: cluster.config(database) })
    await log.start()
    for (let id = 1; id <= 3; id++) log.append({ method: 'put', params: [id] })
    await log.close()
  })

  afterAll(async () => {
    await stores.closeAll()
    await bench.cleanUp()
    await cluster.dispose()
  })

  const psql = (input: string, target = url) => {
    const program = postgresProgram('psql') as string
    return spawnSync(program, ['-qAtX', '-d', target], { input, encoding: 'utf8' })
  }

  it.each([
    { args: ['list'], says: [/2\s+1\s+5\s+2\s.*readable\n.*1\s+1\s+3\s+3\s.*readable/] },
    { args: ['inspect'], says: [/numbers\s+2\s.*n int8, note text/, /book\s+5/] },
    { args: ['verify'], says: [/2\s+2\s.*ok\n.*1\s+3\s.*ok/] },
    { args: ['export', '--slice', '1'], says: [/n,note\n0,row 0\n1,row 1\n2,row 2\n/] },
    { args: ['log', 'inspect'], says: [/first\s+1\nlast\s+3\nentries\s+3/] },
    { args: ['log', 'verify'], says: [/entries\s+3\nresult\s+ok/] },
    { args: ['log', 'show'], says: [/"id":"1",.*\n.*\n.*"id":"3",.*"params":\[3\]/] },
    {
      args: ['doctor', '--json', '--postgres'],
      says: [/"id": ?"postgres",\s*"status": ?"fail",\s*"found": ?".*fsync=off/],
      code: 1,
    },
  ])('forksnap $args', async ({ args, says, code = 0 }) => {
    const at = args[0] === 'log' ? 2 : args[0] === 'doctor' ? args.length : 1
    const line = args.toSpliced(at, 0, url)
    for (const ran of args[0] === 'list' ? await inBoth(line) : [await inPipe(line)]) {
      const said = uncoloured(ran.out + ran.err)
      expect({ code: ran.code, said }).toMatchObject({ code })
      for (const text of says) expect(said).toMatch(text)
    }
  })

  it('a database without slices or a log, and one that is not there', async () => {
    const commands = ['list', 'inspect', 'verify', 'export', 'log inspect', 'log verify', 'log show'].map((text) =>
      text.split(' '),
    )
    const none = await Promise.all(commands.map((command) => inPipe([...command, empty])))
    expect(none.map(({ code }) => code)).toEqual([0, 1, 1, 1, 1, 1, 1])
    for (const { err } of none) expect(err).toMatch(/There is no (slice|log) in/)
    const missing = cluster.url('nothing')
    const failed = await Promise.all(commands.map((command) => inPipe([...command, missing])))
    const err = expect.stringMatching(/create the database first.*ERR_STORE_FAILED/) as string
    for (const ran of failed) expect(ran).toMatchObject({ code: 1, err })
  })

  it('verify finds rows that are missing, and the log an entry that is', async () => {
    const broken = await cluster.createDatabase()
    const store = await stores.started(cluster.config(broken))
    await publishInto(store, numbers(3))
    await store.close()
    const log = new PostgresOperationLog({ connection: cluster.config(broken) })
    await log.start()
    for (let id = 1; id <= 3; id++) log.append({ method: 'put', params: [id] })
    await log.close()
    await cluster.sql(broken, 'DELETE FROM numbers WHERE n = 1')
    await cluster.sql(broken, 'DELETE FROM operation_log WHERE id = 2')
    const [slices, entries] = await Promise.all([
      inPipe(['verify', cluster.url(broken)]),
      inPipe(['log', 'verify', cluster.url(broken)]),
    ])
    expect(slices).toMatchObject({
      code: 1,
      err: expect.stringMatching(/has 2 rows.*not 3.*ERR_SLICE_CORRUPT/) as string,
    })
    expect(entries).toMatchObject({ code: 1, err: expect.stringContaining('ERR_LOG_GAP') as string })
  })

  it('export --format copy is what psql takes, from files and from the database, and a script cut short changes nothing', async () => {
    const script = (await inPipe(['export', url, '--format', 'copy', '--create'])).out
    expect(psql(script.replaceAll('"numbers"', '"copied"'))).toMatchObject({ status: 0, stderr: '' })
    expect(await cluster.sql(database, 'SELECT n::int, note FROM copied ORDER BY n')).toEqual([
      { n: 0, note: 'row 0' },
      { n: 1, note: 'row 1' },
    ])
    psql(script.replaceAll('"numbers"', '"half"').slice(0, -'\\.\nCOMMIT;\n'.length - 3))
    expect(await cluster.sql(database, `SELECT to_regclass('half')::text AS half`)).toEqual([{ half: null }])
  })

  it('load brings a slice of a file into the database, where it is the newest and recovered from', async () => {
    const source = await bench.started({ codec: 'gzip' })
    const { location } = await publish(source, { rows: 1000, meta: { position: 7n, orderId: 4n } })
    const target = cluster.url(await cluster.createDatabase())
    const loaded = await inPipe(['load', source.directory, target, '--json'])
    expect(JSON.parse(loaded.out)).toMatchObject({ sliceId: '1', epoch: '1', position: '7', rows: 1000 })
    expect(psql('SELECT count(*), min(id), max(id) FROM order_slice WHERE slice_id = 1', target).stdout).toBe(
      '1000|1|1000\n',
    )
    expect(psql('SELECT end_operation_log_id, end_order_id FROM slice_history', target).stdout).toBe('7|4\n')
    const mapped = await inTerminal(['load', source.directory, target, '--map', 'order_slice=public.archive'])
    expect({ code: mapped.code, out: uncoloured(mapped.out) }).toEqual({
      code: 0,
      out: expect.stringMatching(/Slice 1 is now slice 2 in .*\n(.*\n)*rows +1,000/) as string,
    })
    expect(psql('SELECT count(*) FROM archive', target).stdout).toBe('1000\n')
    const piped = await inPipe(['load', '-', target, '--json'], { input: readFileSync(location) })
    const loadedAgain = { from: '-', sliceId: '3', rows: 1000 }
    expect({ err: piped.err, answer: JSON.parse(piped.out) }).toMatchObject({ err: '', answer: loadedAgain })
    const exports = [source.directory, target].map((place) => inPipe(['export', place]))
    const [file, table] = await Promise.all(exports)
    expect(table.out).toBe(file.out)
    expect(await inPipe(['verify', target])).toMatchObject({ code: 0 })
  })

  it('load refuses a damaged slice before it asks the database, a store in use, and what is no database', async () => {
    const source = await bench.started()
    const { location } = await publish(source, { rows: 10 })
    const good = readFileSync(location)
    const bad = join(bench.directory(), 'bad.slice')
    const bytes = Buffer.from(good)
    bytes[frames(bytes)[2].end - 2] ^= 1
    writeFileSync(bad, bytes, { mode: 0o600 })
    const owner = await stores.started(cluster.config(database))
    const ran = await Promise.all([
      inPipe(['load', bad, cluster.url('nothing')]),
      inPipe(['load', location, url]),
      inPipe(['load', location, bench.directory()]),
      inPipe(['load', location, 'exchange']),
      inPipe(['load', bench.directory(), url]),
      inPipe(['load', location, cluster.url('nothing')]),
      inPipe(['load', location, empty, '--map', 'nothing=there']),
    ])
    await owner.close()
    expect(ran.map(({ code }) => code)).toEqual([1, 1, 2, 2, 1, 1, 1])
    const says = [
      /ERR_SLICE_CORRUPT/,
      /ERR_LOCKED/,
      /no postgres:\/\/ URL/,
      /no postgres:\/\/ URL/,
      /There is no slice/,
      /ERR_STORE_FAILED/,
      /no table/,
    ]
    ran.forEach(({ err }, index) => expect(err).toMatch(says[index]))
  })

  describe('doctor', () => {
    async function doctor(target: string, ...args: readonly string[]): Promise<Check> {
      const { out } = await inPipe(['doctor', '--json', '--postgres', target, ...args])
      const { checks } = JSON.parse(out) as { checks: Check[] }
      return checks.find(({ id }) => id === 'postgres') as Check
    }
    const saying = (status: string, found: RegExp) => ({ status, found: expect.stringMatching(found) as string })

    it('a server that cannot be reached, or has no such database', async () => {
      const [nobody, nothing] = await Promise.all([
        doctor(`postgres://x@/y?host=${encodeURIComponent(bench.directory())}`),
        doctor(cluster.url('nothing')),
      ])
      expect(nobody).toMatchObject(saying('fail', /ENOENT/))
      expect(nothing).toMatchObject(saying('fail', /create the database first/))
    })

    /** Last: the server is started anew with other settings. */
    it('a standby, settings that lose data, a schema that is missing and one without rights, each for itself', async () => {
      await cluster.sql('postgres', 'CREATE ROLE reader LOGIN')
      await cluster.sql('postgres', 'REVOKE CREATE ON SCHEMA public FROM PUBLIC')
      const missing = await doctor(url, '--schema', 'nowhere')
      expect(missing).toMatchObject(saying('fail', /fsync=off.*; it has no schema nowhere$/))
      expect(missing.mend).toContain('CREATE SCHEMA')

      await cluster.sql('postgres', 'ALTER SYSTEM SET fsync = on')
      const signal = join(cluster.data, 'standby.signal')
      writeFileSync(signal, '')
      cluster.restart('fast')
      const [standby, both] = await Promise.all([doctor(url), doctor(url, '--schema', 'nowhere')])
      expect(standby).toMatchObject(saying('fail', /^PostgreSQL \d\S*.*; it is a standby, which only reads$/))
      expect(both).toMatchObject(saying('fail', /is a standby.*; it has no schema nowhere$/))

      rmSync(signal)
      cluster.restart('fast')
      const [good, reader] = await Promise.all([doctor(url), doctor(cluster.url('postgres', 'reader'))])
      expect(good).toMatchObject(saying('ok', /can be reached and written to$/))
      expect(reader).toMatchObject(saying('warn', /this role may create no tables in public$/))
    })
  })
})

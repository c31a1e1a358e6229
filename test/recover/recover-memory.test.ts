import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fixture, runFixture } from '../helpers/fixture'
import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { describeUnless } from '../helpers/store-fixture'

const directory = mkdtempSync(join(tmpdir(), 'forksnap-recover-large-'))
const small = { nodeOptions: ['--max-old-space-size=40'] }
const LARGE = { rows: 400_000, entries: 100_000 }

afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('recover() with a heap of 40 MB', () => {
  it.each(['file', 'command'])('reads a slice (%s) and a log that would not fit into it', async (kind) => {
    const place = join(directory, kind)
    await runFixture('recover-large', ['make', kind, place])
    expect(await runFixture('recover-large', ['recover', kind, place], small)).toEqual({ ...LARGE, megabytes: 123 })
  })

  it('would not if the rows were kept', async () => {
    const { code, signal, stderr } = await new Fixture(
      'recover-large',
      ['keep', 'file', join(directory, 'file')],
      small,
    ).closed
    expect([code === 0, `${signal} ${stderr}`]).toEqual([false, expect.stringContaining('heap out of memory')])
  })
})

describeUnless(reasonAgainstPostgres, 'recover() from PostgreSQL with a heap of 40 MB', () => {
  let cluster: Cluster
  beforeAll(async () => (cluster = await Cluster.start()))
  afterAll(() => cluster.dispose())

  it('reads a slice and a log that would not fit into it', async () => {
    const url = cluster.url(await cluster.createDatabase())
    await runFixture('recover-large', ['make', 'postgres', url])
    expect(await runFixture('recover-large', ['recover', 'postgres', url], small)).toMatchObject(LARGE)
    const { code, signal, stderr } = await new Fixture('recover-large', ['keep', 'postgres', url], small).closed
    expect([code === 0, `${signal} ${stderr}`]).toEqual([false, expect.stringContaining('heap out of memory')])
  })
})

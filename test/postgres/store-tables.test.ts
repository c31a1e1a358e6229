import type { PostgresStore } from '../../src/store/postgres'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { commitAnyway, numbers, publishInto, readAll } from '../helpers/postgres-store'
import { type StoreOptions, StoreTests } from '../helpers/postgres-store-tests'
import { describeUnless } from '../helpers/store-fixture'

describeUnless(reasonAgainstPostgres, 'PostgresStore and tables that somebody else has made', () => {
  const tests = new StoreTests()
  const { sql } = tests
  const started = (options: StoreOptions = {}): Promise<PostgresStore> => tests.started(options)

  const COLUMNS = 'slice_id bigint, n bigint, note text'

  it.each([
    ['an unlogged table', `CREATE UNLOGGED TABLE numbers (${COLUMNS})`, 'unlogged'],
    ['a view', `CREATE TABLE t (${COLUMNS}); CREATE VIEW numbers AS SELECT * FROM t`, 'no ordinary table'],
    [
      'an unlogged partition',
      `CREATE TABLE numbers (${COLUMNS}) PARTITION BY LIST (slice_id);
       CREATE UNLOGGED TABLE one PARTITION OF numbers DEFAULT`,
      'unlogged',
    ],
  ])('refuses %s for rows', async (_name, ddl, why) => {
    await sql(ddl)
    const store = await started()
    const commit = commitAnyway(await store.create(), numbers(5))
    await expect(commit).rejects.toMatchObject({
      code: 'ERR_INVALID_VALUE',
      table: 'numbers',
      message: expect.stringContaining(why) as string,
    })
    expect(await store.list()).toEqual([])
  })

  it.each(['forksnap_slice', 'forksnap_blob', 'slice_history', 'forksnap_epoch'])(
    'refuses to start if %s is unlogged',
    async (table) => {
      const first = await started()
      await first.close()
      await sql(`ALTER TABLE ${table} SET UNLOGGED`)
      await expect(started()).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(table) as string,
      })
    },
  )

  it('keeps slices in a partitioned table', async () => {
    await sql(`CREATE TABLE numbers (${COLUMNS}) PARTITION BY LIST (slice_id)`)
    await sql('CREATE TABLE numbers_all PARTITION OF numbers DEFAULT')
    const store = await started()
    const { sliceId } = await publishInto(store, numbers(5))
    const source = await store.open(sliceId)
    expect((await readAll(source)).rows).toHaveLength(5)
    await source.close()
  })
})

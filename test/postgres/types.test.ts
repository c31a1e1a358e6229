import type { ColumnType, ReadValue, SliceWriter } from '../../src/slice/types'
import type { PostgresStore } from '../../src/store/postgres'
import { reasonAgainstPostgres } from '../helpers/postgres'
import { commitAnyway, numbers, publishInto, readAll } from '../helpers/postgres-store'
import { type StoreOptions, StoreTests } from '../helpers/postgres-store-tests'
import { describeUnless } from '../helpers/store-fixture'

/** A value as it is written, as the server shows it as text, and as it is read (the same unless said otherwise). */
interface Case {
  readonly write: unknown
  readonly text: string | null
  readonly read?: ReadValue
}

const long = '9'.repeat(40)
const odd = 'tab\t line\n return\r back\\slash \\N quote\'" {} end\\.\u0001\u007f'
const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)

const CASES: readonly (readonly [ColumnType, readonly Case[]])[] = [
  ['bool', [{ write: true, text: 'true' }, { write: false, text: 'false' }]], // prettier-ignore
  ['int2', [{ write: -32768, text: '-32768' }, { write: 32767, text: '32767' }]], // prettier-ignore
  ['int4', [{ write: -2147483648, text: '-2147483648' }, { write: 2147483647, text: '2147483647' }]], // prettier-ignore
  [
    'int8',
    [
      { write: -(2n ** 63n), text: '-9223372036854775808' },
      { write: 2n ** 63n - 1n, text: '9223372036854775807' },
      { write: 0, text: '0', read: 0n },
    ],
  ],
  [
    'float4',
    [
      { write: Math.fround(0.1), text: '0.1' },
      { write: NaN, text: 'NaN' },
      { write: -Infinity, text: '-Infinity' },
      { write: Math.fround(3.4e38), text: '3.4e+38' },
    ],
  ],
  [
    'float8',
    [
      { write: 0.1, text: '0.1' },
      { write: 5e-324, text: '5e-324' },
      { write: 1.7976931348623157e308, text: '1.7976931348623157e+308' },
      { write: -0, text: '-0' },
      { write: NaN, text: 'NaN' },
      { write: Infinity, text: 'Infinity' },
    ],
  ],
  [
    'text',
    [
      { write: odd, text: odd },
      { write: '', text: '' },
      { write: '\\N', text: '\\N' },
      { write: '\\.', text: '\\.' },
      { write: 'grüße 你好 😀', text: 'grüße 你好 😀' },
    ],
  ],
  ['varchar(5)', [{ write: '😀😀😀😀😀', text: '😀😀😀😀😀' }, { write: 'ab   ', text: 'ab   ' }]], // prettier-ignore
  [
    'numeric',
    [
      { write: `${long}.${long}`, text: `${long}.${long}` },
      { write: `-0.${'0'.repeat(39)}1`, text: `-0.${'0'.repeat(39)}1` },
      { write: 'NaN', text: 'NaN' },
      { write: 'Infinity', text: 'Infinity' },
      { write: 10n ** 39n, text: `1${'0'.repeat(39)}`, read: `1${'0'.repeat(39)}` },
    ],
  ],
  [
    'numeric(30,8)',
    [
      { write: '1.5', text: '1.50000000', read: '1.50000000' },
      { write: `-${'9'.repeat(22)}.${'9'.repeat(8)}`, text: `-${'9'.repeat(22)}.${'9'.repeat(8)}` },
    ],
  ],
  [
    'timestamp',
    [
      {
        write: new Date(Date.UTC(2026, 10, 23, 12, 0, 0, 500)),
        text: '2026-11-23 12:00:00.5',
        read: '2026-11-23 12:00:00.5',
      },
      { write: '0044-03-15 12:00:00 BC', text: '0044-03-15 12:00:00 BC' },
      { write: '294276-12-31 23:59:59.999999', text: '294276-12-31 23:59:59.999999' },
      { write: '-infinity', text: '-infinity' },
    ],
  ],
  [
    'timestamptz',
    [
      {
        write: '2026-11-23 12:00:00.123456+02',
        text: '2026-11-23 10:00:00.123456+00',
        read: '2026-11-23 10:00:00.123456+00',
      },
      { write: 'infinity', text: 'infinity' },
    ],
  ],
  ['date', [{ write: '2024-02-29', text: '2024-02-29' }, { write: '4713-11-24 BC', text: '4713-11-24 BC' }]], // prettier-ignore
  [
    'bytea',
    [
      { write: bytes, text: `\\x${Buffer.from(bytes).toString('hex')}` },
      { write: new Uint8Array(0), text: '\\x' },
    ],
  ],
  [
    'json',
    [
      { write: { a: [1, 'x\n"', null], '': odd }, text: JSON.stringify({ a: [1, 'x\n"', null], '': odd }) },
      { write: 'text', text: '"text"' },
    ],
  ],
  ['jsonb', [{ write: { b: 1.5, a: 'é' }, text: '{"a": "é", "b": 1.5}' }]],
  ['uuid', [{ write: '123e4567-e89b-12d3-a456-426614174000', text: '123e4567-e89b-12d3-a456-426614174000' }]],
]

const readOf = (one: Case): ReadValue => (one.read ?? one.write) as ReadValue

describeUnless(reasonAgainstPostgres, 'Values and names in PostgreSQL', () => {
  const tests = new StoreTests()
  const { sql } = tests
  const started = (options: StoreOptions = {}): Promise<PostgresStore> => tests.started(options)

  it('come through unchanged, both ways, for every type', async () => {
    const store = await started()
    const withNull = CASES.map(([type, cases]) => [type, [...cases, { write: null, text: null }]] as const)
    const tableOf = (type: string): string => `t ${type}`
    await publishInto(store, (slice) => {
      for (const [type, cases] of withNull) {
        const table = slice.table(tableOf(type), [
          ['i', 'int4'],
          ['v', type],
        ])
        cases.forEach((one, i) => table.row(i, one.write as never))
      }
    })
    const source = await store.open(1n)
    const { rows } = await readAll(source)
    await source.close()
    for (const [type, cases] of withNull) {
      const shown = await sql(`SELECT v::text FROM "${tableOf(type)}" ORDER BY i`)
      // The server's session here has its own time zone; that of the tests is UTC.
      expect([type, shown.map((row) => row.v)]).toEqual([type, cases.map((one) => one.text)])
      const read = rows.filter(([table]) => table === tableOf(type)).map(([, values]) => values[1])
      expect([type, read]).toEqual([type, cases.map(readOf)])
    }
  })

  it('may be hostile: names are quoted', async () => {
    const hostile = `x"; DROP TABLE keep; --'`
    await sql('CREATE TABLE keep (a int)')
    const store = await started({ name: hostile })
    const write = (slice: SliceWriter): void => {
      const table = slice.table(hostile, [[`a"b'; --`, 'text'], ['select', 'int4']]) // prettier-ignore
      table.row(`'); DROP TABLE keep; --`, 1)
      slice.blob(hostile, Buffer.from('x'))
      slice.set(hostile, hostile)
    }
    const { sliceId } = await publishInto(store, write)
    const source = await store.open(sliceId)
    const { rows, blobs, trailer } = await readAll(source)
    await source.close()
    expect(rows).toEqual([[hostile, [`'); DROP TABLE keep; --`, 1]]])
    expect(blobs.map(([name]) => name)).toEqual([hostile])
    expect(trailer.values).toEqual({ [hostile]: hostile })
    await store.remove(sliceId)
    await sql('SELECT * FROM keep')
  })

  it('go into the tables that there are', async () => {
    await tests.cluster.sql(
      tests.database,
      `CREATE SCHEMA ex;
       CREATE TABLE ex.orders (id bigint, slice_id bigint, market varchar(30) NOT NULL, price numeric(40,10) NOT NULL,
         extra text DEFAULT 'd', PRIMARY KEY (slice_id, id));
       CREATE TABLE ex.history (id bigint PRIMARY KEY, time bigint, end_operation_log_id bigint, end_order_id bigint,
         end_trade_id bigint);
       INSERT INTO ex.history VALUES (41, 0, 0, 0, 0)`,
    )
    const tables = { order_slice: 'ex.orders', slice_history: 'ex.history' }
    const store = await started({ tables, history: { orderId: 'last', tradeId: 'none' } })
    const orders = (slice: SliceWriter): void => {
      const table = slice.table('order_slice', [['id', 'int8'], ['market', 'text'], ['price', 'numeric(30,8)']]) // prettier-ignore
      for (const id of [3n, 1n, 2n]) table.row(id, 'ETH_USDT', '1.5')
    }
    const { sliceId } = await publishInto(store, orders, { position: 9n, last: '12' })
    expect(sliceId).toBe(42n)
    const rows = await sql('SELECT id, slice_id, price, extra FROM ex.orders ORDER BY id LIMIT 1')
    expect(rows).toEqual([{ id: '1', slice_id: '42', price: '1.5000000000', extra: 'd' }])
    const [, history] = await sql('SELECT * FROM ex.history ORDER BY id')
    expect(history).toMatchObject({ id: '42', end_operation_log_id: '9', end_order_id: '12', end_trade_id: '0' })
    const source = await store.open(sliceId)
    const read = await readAll(source)
    await source.close()
    expect(read.rows.map(([, [id]]) => id)).toEqual([1n, 2n, 3n])
  })

  it.each([
    ['a column that is missing', 'slice_id bigint', 'has no'],
    ['a narrower type', 'slice_id bigint, n int4, note text', 'does not fit integer'],
    ['a shorter text', 'slice_id bigint, n bigint, note int', 'does not fit integer'],
    ['no slice_id', 'n bigint, note text', '"slice_id"'],
    ['a required column', 'slice_id bigint, n bigint, note text, must int NOT NULL', 'NOT NULL'],
    ['a generated column', "slice_id bigint, n bigint, note text GENERATED ALWAYS AS ('x') STORED", 'is generated'],
  ])('refuse a table with %s', async (_what, columns) => {
    await sql(`CREATE TABLE numbers (${columns})`)
    const store = await started()
    await expect(commitAnyway(await store.create(), numbers(3))).rejects.toMatchObject({
      code: 'ERR_INVALID_VALUE',
      table: 'numbers',
    })
    expect(await store.list()).toEqual([])
  })

  it('refuse numbers that the server would round', async () => {
    await sql('CREATE TABLE t (slice_id bigint, v numeric(30,16))')
    const store = await started()
    const commit = async (type: ColumnType, value: string): Promise<unknown> =>
      commitAnyway(await store.create(), (slice) => slice.table('t', [['v', type]]).row(value))
    await expect(commit('numeric', '1')).rejects.toMatchObject({ code: 'ERR_INVALID_VALUE', column: 'v' })
    await expect(commit('numeric(30,17)', '1')).rejects.toMatchObject({ code: 'ERR_INVALID_VALUE' })
    await expect(commit('numeric(30,8)', '1')).rejects.toMatchObject({ code: 'ERR_INVALID_VALUE' })
    await commit('numeric(22,8)', '1')
  })

  it('refuse the names of the store itself, two tables in one, and a column of its own', async () => {
    const store = await started({ tables: { other: 'numbers' } })
    const code = async (write: (slice: SliceWriter) => void): Promise<unknown> =>
      commitAnyway(await store.create(), write).catch((error: { code: string }) => error.code)
    for (const name of ['forksnap_slice', 'forksnap_blob', 'forksnap_epoch', 'slice_history']) {
      expect(await code((slice) => slice.table(name, [['a', 'int4']]))).toBe('ERR_INVALID_VALUE')
    }
    const twice = (slice: SliceWriter): void => {
      numbers(1)(slice)
      slice.table('other', [['n', 'int8']])
    }
    expect(await code(twice)).toBe('ERR_INVALID_VALUE')
    expect(await code((slice) => slice.table('t', [['forksnap_row', 'int8']]))).toBe('ERR_STORE_FAILED')
  })
})

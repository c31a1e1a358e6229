import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { SliceParser } from '../src/slice/reader'
import { createSliceWriter, fdTarget, type SliceTarget } from '../src/slice/writer'
import type { Column, SliceTrailer, SliceWriter } from '../src/slice/types'
import { PostgresStore } from '../src/store/postgres'
import type { SliceSink } from '../src/store/store'
import { Cluster, postgresProgram, reasonAgainstPostgres } from '../test/helpers/postgres'
import { readArguments } from './lib/arguments'
import { printReport } from './lib/report'
import { median } from './lib/statistics'

/**
 * Rows a second into PostgreSQL for `order_slice` with its 19 columns and its primary key, into an empty table each time:
 *
 *   slice     a slice's stream from memory through the writer process, from its first byte to its COMMIT
 *   encoded   the same, with the rows encoded on the way, as a child does
 *   \copy     psql's \copy of a file with the same rows
 *   INSERT    multi-row INSERTs of 1,000 rows with bound parameters, in one transaction
 *
 *   node dist/bench/copy.js [--json] [--rows 200000] [--inserts 20000] [--rounds 5]
 */
const args = readArguments({ rows: 200_000, inserts: 20_000, rounds: 5 })

const COLUMNS = [
  ['id', 'int8'],
  ['order_type', 'varchar(30)'],
  ['order_side', 'varchar(30)'],
  ['create_time', 'timestamp'],
  ['update_time', 'timestamp'],
  ['user_id', 'int4'],
  ['market', 'varchar(30)'],
  ['price', 'numeric(30,8)'],
  ['amount', 'numeric(30,8)'],
  ['taker_fee', 'numeric(30,4)'],
  ['maker_fee', 'numeric(30,4)'],
  ['remain', 'numeric(30,8)'],
  ['frozen', 'numeric(30,8)'],
  ['finished_base', 'numeric(30,8)'],
  ['finished_quote', 'numeric(30,16)'],
  ['finished_fee', 'numeric(30,16)'],
  ['post_only', 'bool'],
  ['signature', 'bytea'],
] as const satisfies readonly Column[]

const TABLE = `CREATE TABLE order_slice (slice_id bigint NOT NULL,
  ${COLUMNS.map(([name, type]) => `${name} ${type} NOT NULL`).join(', ')}, PRIMARY KEY (slice_id, id))`

const MARKETS = ['ETH_USDT', 'UNI_USDT', 'LINK_USDT', 'MATIC_USDT']
const SIGNATURE = Buffer.alloc(64, 0xab)

function order(i: number) {
  const amount = `${1 + (i % 50)}.${String((i * 7919) % 10_000).padStart(4, '0')}`
  const price = `${100 + (i % 9000)}.${String(i % 100).padStart(2, '0')}`
  const time = new Date(1_790_000_000_000 + i)
  const fixed = ['0', '0', amount, amount, '0', '0', '0'] as const
  const [market, side] = [MARKETS[i % MARKETS.length], i % 2 === 0 ? 'BID' : 'ASK']
  return [
    BigInt(i + 1),
    'LIMIT',
    side,
    time,
    time,
    i % 1000,
    market,
    price,
    amount,
    ...fixed,
    i % 3 === 0,
    SIGNATURE,
  ] as const
}

function writeOrders(slice: SliceWriter): void {
  const table = slice.table('order_slice', COLUMNS)
  for (let i = 0; i < args.rows; i++) table.row(...order(i))
}

function writeSlice(sink: SliceSink, target: SliceTarget): SliceTrailer {
  const writer = createSliceWriter(target, { sliceId: sink.sliceId, meta: {}, ...sink.writing })
  writeOrders(writer)
  return writer.finish()
}

async function rate(rows: number, work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return (rows * 1000) / (performance.now() - begun)
}

/** The stream is made before the clock starts: only the way into the database is measured. */
async function sliceRate(store: PostgresStore): Promise<number> {
  const sink = await store.create()
  const pieces: Buffer[] = []
  const trailer = writeSlice(sink, { write: (data) => void pieces.push(Buffer.from(data)) })
  return rate(args.rows, async () => {
    const target = fdTarget(sink.fd)
    for (const piece of pieces) target.write(piece)
    await sink.commit({ meta: {}, trailer })
  })
}

async function encodedRate(store: PostgresStore): Promise<number> {
  const sink = await store.create()
  return rate(args.rows, () => sink.commit({ meta: {}, trailer: writeSlice(sink, fdTarget(sink.fd)) }))
}

/** The rows as psql reads them: the lines of a slice. */
async function writeFile(path: string): Promise<void> {
  const file = createWriteStream(path)
  const parser = new SliceParser({ lines: (_table, lines) => void file.write(Buffer.from(lines)) })
  const constantColumn = { name: 'slice_id', type: 'int8', value: 1n } as const
  const target = { write: (data: Uint8Array): void => parser.push(data) }
  const writer = createSliceWriter(target, { sliceId: 1n, meta: {}, codec: 'none', syncEveryBytes: 0, constantColumn })
  writeOrders(writer)
  writer.finish()
  await once(file.end(), 'close')
}

async function psqlRate(cluster: Cluster, path: string): Promise<number> {
  const psql = postgresProgram('psql') ?? 'psql'
  const command = `\\copy order_slice FROM '${path}'`
  const connection = ['-h', cluster.folder, '-p', String(cluster.port), '-U', 'postgres', '-d', 'postgres']
  return rate(args.rows, async () => {
    const child = spawn(psql, ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...connection, '-c', command], { stdio: 'inherit' })
    const [code] = (await once(child, 'exit')) as [number]
    if (code !== 0) throw new Error(`psql ended with ${code}`)
  })
}

const ROWS_AT_ONCE = 1000

async function insertRate(client: Client): Promise<number> {
  const width = COLUMNS.length + 1
  const rowOf = (row: number): string =>
    `(${Array.from({ length: width }, (_, column) => `$${row * width + column + 1}`).join(',')})`
  const text = `INSERT INTO order_slice VALUES ${Array.from({ length: ROWS_AT_ONCE }, (_, row) => rowOf(row)).join(',')}`
  return rate(args.inserts, async () => {
    await client.query('BEGIN')
    for (let from = 0; from < args.inserts; from += ROWS_AT_ONCE) {
      const values = Array.from({ length: ROWS_AT_ONCE }, (_, i) => [1n, ...order(from + i)]).flat()
      await client.query(text, values)
    }
    await client.query('COMMIT')
  })
}

async function measure(cluster: Cluster, client: Client, store: PostgresStore, path: string) {
  const rates = { slice: [] as number[], encoded: [] as number[], copy: [] as number[], insert: [] as number[] }
  // One round more than is counted: the first one warms everything up.
  for (let round = 0; round <= args.rounds; round++) {
    const works = {
      slice: () => sliceRate(store),
      copy: () => psqlRate(cluster, path),
      encoded: () => encodedRate(store),
      insert: () => insertRate(client),
    }
    for (const [name, work] of Object.entries(works)) {
      await client.query('TRUNCATE order_slice')
      await client.query('CHECKPOINT')
      const found = await work()
      if (round > 0) rates[name as keyof typeof rates].push(found)
    }
  }
  return rates
}

async function run(): Promise<void> {
  if (reasonAgainstPostgres !== null) throw new Error(reasonAgainstPostgres)
  const settings = { fsync: 'on', shared_buffers: '256MB', max_wal_size: '4GB' }
  const cluster = await Cluster.start({ settings })
  const folder = await mkdtemp(join(tmpdir(), 'forksnap-bench-'))
  const store = new PostgresStore({ connection: cluster.config(), keep: {} })
  const client = new Client(cluster.config())
  try {
    await client.connect()
    await client.query(TABLE)
    await store.start()
    await chmod(folder, 0o700)
    await writeFile(join(folder, 'orders'))
    report(await measure(cluster, client, store, join(folder, 'orders')))
  } finally {
    await store.close()
    await client.end()
    await rm(folder, { recursive: true, force: true })
    await cluster.dispose()
  }
}

function report(rates: { slice: number[]; encoded: number[]; copy: number[]; insert: number[] }): void {
  const ratio = (other: number[]): number => median(rates.slice) / median(other)
  printReport(
    {
      bench: 'copy',
      subject: `order_slice with ${COLUMNS.length + 1} columns, ${args.rows} rows (INSERT: ${args.inserts})`,
      figures: [
        { name: 'slice', unit: 'rows/s', values: rates.slice },
        { name: 'slice, encoded on the way', unit: 'rows/s', values: rates.encoded },
        { name: 'psql \\copy', unit: 'rows/s', values: rates.copy },
        { name: 'INSERT of 1,000 rows', unit: 'rows/s', values: rates.insert },
      ],
      targets: [
        { name: 'slice against \\copy', measured: ratio(rates.copy), limit: 0.8, kind: 'at-least' },
        { name: 'slice against INSERT', measured: ratio(rates.insert), limit: 5, kind: 'at-least' },
      ],
    },
    args.json,
  )
}

void run()

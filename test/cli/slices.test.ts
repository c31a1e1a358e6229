import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { createSliceWriter, fdTarget } from '../../src/slice/writer'
import type { FileStore } from '../../src/store/file'
import { CLI, inBoth, inPipe, inTerminal, uncoloured } from '../helpers/cli'
import { frames } from '../helpers/slice-memory'
import { itUnless, reasonAgainstTracing, traced, withFileLimit } from '../helpers/store-fixture'
import { StoreBench } from '../helpers/store-slices'

/** `list`, `inspect`, `verify` and `export` on slices in files, sound and not, in a pipe and in a terminal. */

const bench = new StoreBench()
/** What is looked at, by name. */
const places: Record<string, string> = {}

async function publishOrders(store: FileStore, rows: number): Promise<void> {
  const sink = await store.create()
  const meta = { position: BigInt(rows) }
  const slice = createSliceWriter(fdTarget(sink.fd), { sliceId: sink.sliceId, meta, ...sink.writing })
  const orders = slice.table('orders', [
    ['id', 'int8'],
    ['note', 'text'],
    ['extra', 'jsonb'],
  ])
  for (let id = 1; id <= rows; id++) orders.row(id, id === 1 ? null : id === 2 ? '' : `a "quoted", ${id}`, { id })
  slice.table('rates', [['rate', 'float8']]).row(NaN)
  slice.blob('book', Buffer.alloc(5))
  slice.set('digest', 'd1g3st')
  await sink.commit({ meta, trailer: slice.finish() })
}

/** A copy of the two slices, to be damaged; resolves with the newest one's path. */
function copyOf(directory: string): { place: string; newest: string } {
  const place = join(bench.directory(), 'slices')
  mkdirSync(place, { mode: 0o700 })
  const names = readdirSync(directory).filter((name) => name.endsWith('.slice'))
  for (const name of names) copyFileSync(join(directory, name), join(place, name))
  return { place, newest: join(place, names.sort().at(-1) as string) }
}

const newestOf = (directory: string): string =>
  join(directory, readdirSync(directory).filter((name) => name.endsWith('.slice')).sort().at(-1) as string) // prettier-ignore

beforeAll(async () => {
  const store = await bench.started()
  await publishOrders(store, 2)
  await publishOrders(store, 3)
  places.good = store.directory
  places.file = copyOf(store.directory).newest
  const flipped = copyOf(store.directory)
  const bytes = readFileSync(flipped.newest)
  const rows = frames(bytes).find(({ type }) => type === 3)
  bytes[(rows?.end ?? 0) - 3] ^= 1
  writeFileSync(flipped.newest, bytes)
  places.flipped = flipped.place
  const truncated = copyOf(store.directory)
  truncateSync(truncated.newest, readFileSync(truncated.newest).length - 10)
  places.truncated = truncated.place
  places.emptyFile = join(bench.directory(), 'empty.slice')
  writeFileSync(places.emptyFile, '', { mode: 0o600 })
  places.empty = bench.directory()
  places.missing = join(places.empty, 'no', 'such')
})

afterAll(() => bench.cleanUp())

const DAMAGED = /ERR_SLICE_CORRUPT/
const MISSING = /does not exist/
const NONE = /There is no slice in/

interface Case {
  readonly args: readonly string[]
  readonly place: string
  readonly code: number
  /** What is said, on standard output or error. */
  readonly says: readonly RegExp[]
  /** In a pipe alone: a terminal shows nothing else that the other cases do not. */
  readonly piped?: true
}

const TABLE = ['--table', 'orders']
const CASES: readonly Case[] = [
  { args: ['list'], place: 'good', code: 0, says: [/2\s+1\s+3\s+4\s.*readable\n.*1\s+1\s+2\s+3\s.*readable/] },
  { args: ['list'], place: 'flipped', code: 0, says: [/readable/], piped: true },
  { args: ['list'], place: 'truncated', code: 1, says: [/2\s.*damaged\n.*1\s.*readable/, DAMAGED] },
  { args: ['list'], place: 'emptyFile', code: 1, says: [/damaged/, DAMAGED], piped: true },
  { args: ['list'], place: 'empty', code: 0, says: [NONE] },
  { args: ['list'], place: 'missing', code: 1, says: [MISSING] },
  {
    args: ['inspect'],
    place: 'good',
    code: 0,
    says: [/digest.*d1g3st/, /orders\s+3\s.*id int8, note text/, /book\s+5/],
  },
  { args: ['inspect', '--slice', '1'], place: 'good', code: 0, says: [/orders\s+2\s/], piped: true },
  { args: ['inspect', '--slice', '9'], place: 'good', code: 1, says: [/ERR_SLICE_NOT_FOUND/], piped: true },
  { args: ['inspect'], place: 'truncated', code: 1, says: [DAMAGED] },
  { args: ['inspect'], place: 'empty', code: 1, says: [NONE] },
  { args: ['inspect'], place: 'missing', code: 1, says: [MISSING] },
  { args: ['verify'], place: 'good', code: 0, says: [/2\s+4\s.*ok\n.*1\s+3\s.*ok/] },
  { args: ['verify'], place: 'file', code: 0, says: [/2\s+4\s.*ok/], piped: true },
  { args: ['verify'], place: 'flipped', code: 1, says: [/2\s.*damaged\n.*1\s.*ok/, DAMAGED, /At byte \d+/] },
  { args: ['verify'], place: 'truncated', code: 1, says: [/2\s.*damaged\n.*1\s.*ok/, DAMAGED], piped: true },
  { args: ['verify'], place: 'emptyFile', code: 1, says: [DAMAGED], piped: true },
  { args: ['verify'], place: 'empty', code: 1, says: [NONE] },
  { args: ['verify'], place: 'missing', code: 1, says: [MISSING] },
  {
    args: ['export', ...TABLE],
    place: 'good',
    code: 0,
    says: [/id,note,extra\n1,,"{""id"":1}"\n2,"",.*\n3,"a ""quoted"", 3",/],
  },
  { args: ['export', '--table', 'nothing'], place: 'good', code: 1, says: [/it has "orders", "rates"/], piped: true },
  { args: ['export'], place: 'good', code: 2, says: [/choose one with --table/], piped: true },
  { args: ['export', ...TABLE], place: 'flipped', code: 1, says: [DAMAGED] },
  { args: ['export', ...TABLE], place: 'truncated', code: 1, says: [DAMAGED], piped: true },
  { args: ['export', ...TABLE], place: 'empty', code: 1, says: [NONE] },
  { args: ['export', ...TABLE], place: 'missing', code: 1, says: [MISSING] },
]

it.each(CASES)('forksnap $args on $place', async ({ args: [command, ...options], place, code, says, piped }) => {
  const line = [command, places[place], ...options]
  const [answer, ...shown] = piped ? [await inPipe(line)] : await inBoth(line)
  for (const ran of [answer, ...shown]) {
    const said = uncoloured(ran.out + ran.err)
    expect({ code: ran.code, said }).toMatchObject({ code })
    for (const text of says) expect(said).toMatch(text)
  }
  expect(answer.out).not.toContain('\x1b')
  // The answer is on standard output, what went wrong beside it.
  expect(answer.err === '').toBe(code === 0 && place !== 'empty')
})

describe('forksnap export', () => {
  it('--format jsonl keeps what JSON numbers would round as text, and names the tables', async () => {
    const lines = (await inPipe(['export', places.good, '--format', 'jsonl'])).out.trimEnd().split('\n')
    const row = { id: '3', note: 'a "quoted", 3', extra: { id: 3 } }
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { table: 'orders', row: { id: '1', note: null, extra: { id: 1 } } },
      { table: 'orders', row: { id: '2', note: '', extra: { id: 2 } } },
      { table: 'orders', row },
      { table: 'rates', row: { rate: 'NaN' } },
    ])
  })

  it('--output writes a file for its owner only, never over another one, and leaves none behind that is not whole', async () => {
    const folder = bench.directory()
    const file = join(folder, 'orders.csv')
    const args = ['--table', 'orders', '--output', file]
    expect(await inPipe(['export', places.good, ...args])).toMatchObject({ code: 0, out: '' })
    expect([statSync(file).mode & 0o777, readFileSync(file, 'utf8').split('\n').length]).toEqual([0o600, 5])
    const again = await inPipe(['export', places.good, ...args])
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('is there already') as string })
    expect(await inPipe(['export', places.good, ...args, '--slice', '1', '--force'])).toMatchObject({ code: 0 })
    expect(readFileSync(file, 'utf8').split('\n').length).toBe(4)
    expect(await inPipe(['export', places.flipped, ...args, '--force'])).toMatchObject({ code: 1 })
    expect([readdirSync(folder), readFileSync(file, 'utf8').split('\n').length]).toEqual([['orders.csv'], 4])
    const link = join(folder, 'link')
    symlinkSync('orders.csv', link)
    const others: readonly (readonly [name: string, says: string])[] = [
      [link, 'is no regular file'],
      [folder, 'is no regular file'],
      [join(folder, 'no/such.csv'), `There is no directory ${join(folder, 'no')}`],
    ]
    for (const [name, says] of others) {
      const ran = await inPipe(['export', places.good, '--table', 'orders', '--output', name, '--force'])
      expect(ran).toMatchObject({ code: 1, out: '', err: expect.stringContaining(says) as string })
    }
    expect(readdirSync(folder)).toEqual(['link', 'orders.csv'])
  })

  itUnless(
    reasonAgainstTracing(),
    '--output makes the file and its name last, or tells that it could not',
    async () => {
      const folder = bench.directory()
      const trace = join(bench.directory(), 'trace')
      const exported = (name: string, inject?: string) =>
        inPipe(['export', places.good, '--table', 'orders', '--output', join(folder, name)], {
          before: traced(trace, inject),
        })
      expect(await exported('good')).toMatchObject({ code: 0 })
      const calls = [...readFileSync(trace, 'utf8').matchAll(/(fsync|unlink)\(.*?([^/<>"]+)[">]/g)]
      const part = expect.stringMatching(/^good\.part-\d+$/) as string
      expect(calls.map(([, call, name]) => [call, name])).toEqual([
        ['fsync', part],
        ['unlink', part],
        ['fsync', basename(folder)],
      ])
      const lost = expect.stringMatching(/could not be brought to the disk, and was not kept: EIO/) as string
      expect(await exported('lost', 'fsync:error=EIO:when=1')).toMatchObject({ code: 1, err: lost })
      const unsure = expect.stringMatching(/unsure is complete, but a crash .* could still undo it: EIO/) as string
      expect(await exported('unsure', 'fsync:error=EIO:when=2')).toMatchObject({ code: 1, err: unsure })
      expect(readdirSync(folder).sort()).toEqual(['good', 'unsure'])
    },
  )
})

describe('a slice at standard input', () => {
  const TMPDIR = bench.directory()
  const given = (args: readonly string[], input: Uint8Array, before: readonly string[] = []) =>
    inPipe(args, { input, before, env: { TMPDIR } })
  const bytesOf = (place: string): Buffer => readFileSync(statSync(place).isFile() ? place : newestOf(place))

  // Each has read all of it, or has left no file behind where it was kept.
  afterEach(() => expect(readdirSync(TMPDIR)).toEqual([]))

  it.each([
    { args: ['list', '-'], says: /^2\t0\t3\t4\t.*\treadable$/m },
    { args: ['inspect', '-'], says: /^location\t-$/m },
    { args: ['inspect', '-', '--slice', '2', '--json'], says: /"location":"-",.*"name":"orders".*"name":"book"/ },
    { args: ['verify', '-'], says: /^2\t4\t\d{3}\t[0-9a-f]{8}\tok$/m },
    { args: ['export', '-', '--table', 'orders'], says: /^id,note,extra\n1,,"{""id"":1}"\n2,"",/ },
  ])('is read by forksnap $args, and nothing stays', async ({ args, says }) => {
    const input = bytesOf(places.file)
    expect(await given(args, input)).toMatchObject({ code: 0, err: '', out: expect.stringMatching(says) as string })
  })

  it.each(['inspect', 'verify', 'export'])(
    'is refused by forksnap %s if it is damaged, cut off, empty or none',
    async (command) => {
      const args = [command, '-', ...(command === 'export' ? TABLE : [])]
      const inputs = [bytesOf(places.truncated), Buffer.alloc(0), Buffer.from('no slice\n'.repeat(1000))]
      if (command !== 'inspect') inputs.push(bytesOf(places.flipped))
      for (const { code, err } of await Promise.all(inputs.map((input) => given(args, input)))) {
        expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(DAMAGED) as string })
        expect(err).not.toContain(TMPDIR)
      }
      const other = await given([...args, '--slice', '9'], bytesOf(places.file))
      expect(other).toMatchObject({ code: 1, err: expect.stringContaining('standard input') as string })
      const named = await given([...args, '--name', 'x'], bytesOf(places.file))
      expect(named).toMatchObject({ code: 2, err: expect.stringContaining('belongs to a postgres:// URL') as string })
    },
  )

  it('is refused from a terminal, and for a log; where there is no room for it, that is told', async () => {
    const shown = (await inTerminal(['verify', '-'])).out
    expect(shown).toMatch(/standard input is a terminal/)
    expect(await given(['log', 'verify', '-'], Buffer.alloc(0))).toMatchObject({ code: 2 })
    const large = Buffer.alloc(100_000)
    const full = await given(['inspect', '-'], large, withFileLimit(10))
    expect(full).toMatchObject({
      code: 1,
      err: expect.stringMatching(/could not be kept.*EFBIG.*set TMPDIR/) as string,
    })
  })

  it('is taken away by a signal as well', async () => {
    const child = spawn(process.execPath, [CLI, 'inspect', '-'], { env: { ...process.env, TMPDIR }, stdio: 'pipe' })
    const closed = once(child, 'close')
    child.stdin.write('half a slice')
    while (readdirSync(TMPDIR).length === 0 && child.exitCode === null)
      await new Promise((resolve) => setImmediate(resolve))
    child.kill('SIGTERM')
    expect(await closed).toEqual([null, 'SIGTERM'])
  })
})

describe('--json', () => {
  it('is one line that tells the same, also of what is damaged', async () => {
    const commands = ['list', 'inspect', 'verify'].map((command) => inPipe([command, places.good, '--json']))
    const [list, inspect, verify] = (await Promise.all(commands)).map(({ out }) => JSON.parse(out) as object)
    const readable = { sliceId: '2', epoch: '1', position: '3', rows: 4, state: 'readable' }
    expect(list).toMatchObject({ place: places.good, slices: [readable, { sliceId: '1' }] })
    const columns = [['id', 'int8'], ['note', 'text'], ['extra', 'jsonb']] // prettier-ignore
    expect(inspect).toMatchObject({
      ...{ sliceId: '2', values: { digest: 'd1g3st' }, meta: { position: { $bigint: '3' } } },
      ...{ tables: [{ name: 'orders', rows: 3, columns }, { name: 'rates' }], blobs: [{ name: 'book', bytes: 5 }] },
    })
    expect(verify).toMatchObject({ ok: true, slices: [{ sliceId: '2', ok: true, rows: 4 }, { sliceId: '1' }] })
    const { out, code } = await inPipe(['verify', places.flipped, '--json'])
    const [damaged, sound] = (JSON.parse(out) as { slices: object[] }).slices
    expect(damaged).toMatchObject({ sliceId: '2', ok: false, code: 'ERR_SLICE_CORRUPT', offset: expect.any(Number) })
    expect({ code, sound }).toMatchObject({ code: 1, sound: { sliceId: '1', ok: true } })
  })
})

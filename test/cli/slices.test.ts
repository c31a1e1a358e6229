import { readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { inPipe } from '../helpers/cli'
import { slicePlaces } from '../helpers/cli-places'
import { itUnless, reasonAgainstTracing, traced } from '../helpers/store-fixture'
import { StoreBench } from '../helpers/store-slices'

/** `list`, `inspect`, `verify` and `export` on slices in files, beyond what the matrix asks of every command. */

const bench = new StoreBench()
let places: Awaited<ReturnType<typeof slicePlaces>>

beforeAll(async () => void (places = await slicePlaces(bench)))
afterAll(() => bench.cleanUp())

const DAMAGED = /ERR_SLICE_CORRUPT/

interface Case {
  readonly args: readonly string[]
  readonly place: keyof typeof places
  readonly code: number
  /** What is said, on standard output or error. */
  readonly says: readonly RegExp[]
}

const CASES: readonly Case[] = [
  { args: ['list'], place: 'good', code: 0, says: [/2\s+1\s+3\s+4\s.*readable\n.*1\s+1\s+2\s+3\s.*readable/] },
  { args: ['list'], place: 'flipped', code: 0, says: [/readable/] },
  { args: ['list'], place: 'truncated', code: 1, says: [/2\s.*damaged\n.*1\s.*readable/, DAMAGED] },
  { args: ['inspect'], place: 'flipped', code: 0, says: [/orders\s+3\s.*id int8, note text/] },
  { args: ['inspect', '--slice', '1'], place: 'good', code: 0, says: [/orders\s+2\s/] },
  { args: ['inspect', '--slice', '9'], place: 'good', code: 1, says: [/ERR_SLICE_NOT_FOUND/] },
  { args: ['verify'], place: 'good', code: 0, says: [/2\s+4\s.*ok\n.*1\s+3\s.*ok/] },
  { args: ['verify'], place: 'flipped', code: 1, says: [/2\s.*damaged\n.*1\s.*ok/, DAMAGED, /At byte \d+/] },
  { args: ['verify'], place: 'truncated', code: 1, says: [/2\s.*damaged\n.*1\s.*ok/, DAMAGED] },
  { args: ['export', '--table', 'orders'], place: 'good', code: 0, says: [/\n3,"a ""quoted"", 3",/] },
  { args: ['export', '--table', 'nothing'], place: 'good', code: 1, says: [/it has "orders", "rates"/] },
  { args: ['export'], place: 'good', code: 2, says: [/choose one with --table/] },
  { args: ['export', '--table', 'orders'], place: 'flipped', code: 1, says: [DAMAGED] },
]

it('a file that is no slice is named', async () => {
  const err = `forksnap: ${__filename}: At byte 0: this is not the beginning of a slice`
  for (const command of ['inspect', 'export']) {
    expect(await inPipe([command, __filename])).toMatchObject({ code: 1, err: expect.stringContaining(err) as string })
  }
})

it.each(CASES)('forksnap $args on $place', async ({ args: [command, ...options], place, code, says }) => {
  const { out, err, ...ran } = await inPipe([command, places[place], ...options])
  expect({ code: ran.code, said: out + err }).toMatchObject({ code })
  for (const text of says) expect(out + err).toMatch(text)
  // The answer is on standard output, what went wrong beside it.
  expect(err === '').toBe(code === 0)
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

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommandStore } from '../../src/store/command'
import { CLI, inPipe, inTerminal } from '../helpers/cli'
import { filesIn, slicePlaces } from '../helpers/cli-places'
import { withFileLimit } from '../helpers/store-fixture'
import { StoreBench, writeContents } from '../helpers/store-slices'

/** A slice that arrives at standard input. */

const bench = new StoreBench()
const DAMAGED = /ERR_SLICE_CORRUPT/
let places: Awaited<ReturnType<typeof slicePlaces>>

beforeAll(async () => void (places = await slicePlaces(bench)))
afterAll(() => bench.cleanUp())

const TMPDIR = bench.directory()
const run = (args: readonly string[], input: Uint8Array, before: readonly string[] = []) =>
  inPipe(args, { input, before, env: { TMPDIR } })
const newestIn = (place: string): Buffer => readFileSync(filesIn(place, '.slice').at(-1) ?? '')

// Each has read all of it, or has left no file behind where it was kept.
afterEach(() => expect(readdirSync(TMPDIR)).toEqual([]))

it.each([
  { args: ['list', '-'], says: /^2\t0\t3\t4\t.*\treadable$/m },
  { args: ['inspect', '-'], says: /^location\t-$/m },
  { args: ['inspect', '-', '--slice', '2', '--json'], says: /"location":"-",.*"name":"orders".*"name":"book"/ },
  { args: ['verify', '-'], says: /^2\t4\t\d{3}\t[0-9a-f]{8}\tok$/m },
  { args: ['export', '-', '--table', 'orders'], says: /^id,note,extra\n1,,"{""id"":1}"\n2,"",/ },
])('is read by forksnap $args, and nothing stays', async ({ args, says }) => {
  const input = readFileSync(places.file)
  expect(await run(args, input)).toMatchObject({ code: 0, err: '', out: expect.stringMatching(says) as string })
})

it.each(['inspect', 'verify', 'export'])(
  'is refused by forksnap %s if it is damaged, cut off, empty or none',
  async (command) => {
    const args = [command, '-', ...(command === 'export' ? ['--table', 'orders'] : [])]
    const inputs = [newestIn(places.truncated), Buffer.alloc(0), Buffer.from('no slice\n'.repeat(1000))]
    if (command !== 'inspect') inputs.push(newestIn(places.flipped))
    for (const { code, err } of await Promise.all(inputs.map((input) => run(args, input)))) {
      expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(DAMAGED) as string })
      expect(err).not.toContain(TMPDIR)
    }
    const other = await run([...args, '--slice', '9'], readFileSync(places.file))
    expect(other).toMatchObject({ code: 1, err: expect.stringContaining('standard input') as string })
    const named = await run([...args, '--name', 'x'], readFileSync(places.file))
    expect(named).toMatchObject({ code: 2, err: expect.stringContaining('belongs to a postgres:// URL') as string })
  },
)

it('is refused from a terminal, and for a log; where there is no room for it, that is told', async () => {
  const shown = (await inTerminal(['verify', '-'])).out
  expect(shown).toMatch(/standard input is a terminal/)
  expect(await run(['log', 'verify', '-'], Buffer.alloc(0))).toMatchObject({ code: 2 })
  const pipe = join(bench.directory(), 'pipe')
  execFileSync('mkfifo', [pipe])
  const advised = expect.stringContaining('is a pipe: give it as standard input, and "-" in its place') as string
  expect(await inPipe(['verify', pipe])).toMatchObject({ code: 1, err: advised })
  const large = Buffer.alloc(100_000)
  const full = await run(['inspect', '-'], large, withFileLimit(10))
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

it('comes from where a CommandStore has sent it, packed by another program', async () => {
  const directory = bench.directory()
  const packed = join(directory, '1.gz')
  const command = ['sh', '-c', 'exec gzip > "$0"', join(directory, '{sliceId}.gz')] as const
  const store = new CommandStore({ command, directory: join(directory, 'index'), codec: 'gzip' })
  await store.start()
  const sink = await store.create()
  const trailer = writeContents(sink, { rows: 500 })
  await sink.commit({ meta: {}, trailer })
  await store.close()
  const unpacked = execFileSync('gzip', ['-dc', packed])
  const given = ['verify', 'inspect'].map((name) => run([name, '-', '--json'], unpacked))
  const [verified, shown] = (await Promise.all(given)).map(({ out }) => JSON.parse(out) as object)
  expect(verified).toMatchObject({ ok: true, slices: [{ sliceId: '1', rows: 500 }] })
  expect(shown).toMatchObject({ codec: 'gzip', tables: [{ name: 'order_slice', rows: 500 }] })
  expect(await run(['verify', '-'], readFileSync(packed))).toMatchObject({ code: 1 })
})

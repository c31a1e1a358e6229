import { readdirSync, readFileSync } from 'node:fs'
import { FileOperationLog } from '../../src/oplog/file'
import { inPipe } from '../helpers/cli'
import { filesIn, logPlaces } from '../helpers/cli-places'
import { StoreBench } from '../helpers/store-slices'

/** `forksnap log` on segments that are sound, torn, damaged, missing, beyond what the matrix asks of every command. */

const bench = new StoreBench()
let places: Awaited<ReturnType<typeof logPlaces>>

beforeAll(async () => void (places = await logPlaces(bench)))
afterAll(() => bench.cleanUp())

const segmentsIn = (directory: string): string[] => filesIn(directory, '.oplog')

interface Case {
  readonly command: string
  readonly place: keyof typeof places
  readonly code: number
  readonly says: readonly RegExp[]
}

const CORRUPT = /ERR_LOG_CORRUPT/
const CASES: readonly Case[] = [
  { command: 'inspect', place: 'good', code: 0, says: [/1\s+1\s+\d+\s.*not read/, /\s100\s+\d+\s.*ok/] },
  { command: 'inspect', place: 'torn', code: 1, says: [/torn tail/, /13 bytes from byte \d+ on/] },
  { command: 'inspect', place: 'gap', code: 1, says: [/gap/, /ERR_LOG_GAP/] },
  { command: 'verify', place: 'torn', code: 1, says: [/torn tail/, /--repair cuts it/] },
  { command: 'verify', place: 'flipped', code: 1, says: [/corrupt/, CORRUPT, /at byte \d+/] },
  { command: 'verify', place: 'truncated', code: 1, says: [/corrupt/, CORRUPT] },
  { command: 'verify', place: 'gap', code: 1, says: [/ERR_LOG_GAP/] },
  { command: 'show', place: 'good', code: 0, says: [/"id":"100",.*"params":\["x+",100\]/] },
  { command: 'show', place: 'torn', code: 0, says: [/"id":"100",/] },
]

it.each(CASES)('forksnap log $command on $place', async ({ command, place, code, says }) => {
  const ran = await inPipe(['log', command, places[place]])
  const said = ran.out + ran.err
  expect({ code: ran.code, said }).toMatchObject({ code })
  for (const text of says) expect(said).toMatch(text)
})

it('show writes the entries that are asked for', async () => {
  const { out } = await inPipe(['log', 'show', places.good, '--after', '41', '--limit', '2'])
  const entries = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; method: string })
  expect(entries).toMatchObject([{ id: '42', method: 'put' }, { id: '43' }])
  expect(await inPipe(['log', 'show', places.good, '--after', '100'])).toMatchObject({ code: 0, out: '' })
  expect(await inPipe(['log', 'show', places.good, '--after', '101'])).toMatchObject({ code: 1 })
})

describe('forksnap log verify --repair', () => {
  it.each([
    { backup: '', code: 2, says: 'neither a path nor' },
    { backup: 'none', code: 1, says: 'does not exist' },
    { backup: __filename, code: 2, says: 'is no directory' },
  ])('cuts nothing if the copy could not be made there: "$backup"', async ({ backup, code, says }) => {
    const before = segmentsIn(places.torn).map((path) => readFileSync(path))
    const ran = await inPipe(['log', 'verify', places.torn, '--repair', '--backup', backup])
    expect(ran).toMatchObject({ code, out: '', err: expect.stringContaining(says) as string })
    expect(segmentsIn(places.torn).map((path) => readFileSync(path))).toEqual(before)
  })

  it('cuts a torn tail after it has copied the segment, and the log goes on', async () => {
    const last = segmentsIn(places.torn).at(-1) as string
    const torn = readFileSync(last)
    const { code, out, err } = await inPipe(['log', 'verify', places.torn, '--repair', '--json'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const report = JSON.parse(out) as { ok: boolean; lastId: string; repaired: { backup: string; bytes: number } }
    expect(report).toMatchObject({ ok: true, lastId: '100', repaired: { bytes: 13 } })
    expect(readFileSync(report.repaired.backup)).toEqual(torn)
    expect(readFileSync(last)).toEqual(torn.subarray(0, torn.length - 13))
    const log = new FileOperationLog({ directory: places.torn })
    expect(await log.start()).toEqual({ firstId: 1n, lastId: 100n })
    const locked = await inPipe(['log', 'verify', places.torn, '--repair'])
    expect(locked).toMatchObject({ code: 1, err: expect.stringMatching(/in use by process \d+.*ERR_LOCKED/) as string })
    await log.close()
    expect(await inPipe(['log', 'verify', places.torn, '--repair'])).toMatchObject({
      code: 0,
      err: 'There is no torn tail to cut.\n',
    })
  })

  it('never cuts what had been durable, and makes no lock file where there is no log', async () => {
    for (const place of [places.flippedLast, places.flippedAndTorn]) {
      const before = segmentsIn(place).map((path) => readFileSync(path))
      const err = expect.stringMatching(CORRUPT) as string
      expect(await inPipe(['log', 'verify', place, '--repair'])).toMatchObject({ code: 1, err })
      expect(segmentsIn(place).map((path) => readFileSync(path))).toEqual(before)
    }
    expect((await inPipe(['log', 'verify', places.empty, '--repair'])).code).toBe(1)
    expect(readdirSync(places.empty)).toEqual([])
  })
})

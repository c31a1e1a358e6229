import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { FileOperationLog } from '../../src/oplog/file'
import { inBoth, inPipe, uncoloured } from '../helpers/cli'
import { StoreBench } from '../helpers/store-slices'

/** `forksnap log` on segments that are sound, torn, damaged, missing. */

const bench = new StoreBench()
const places: Record<string, string> = {}
const ENTRIES = 100

async function writeLog(directory: string): Promise<void> {
  const log = new FileOperationLog({ directory, segmentBytes: 4096 })
  await log.start()
  for (let id = 1; id <= ENTRIES; id++) {
    const { durable } = log.append({ method: 'put', params: ['x'.repeat(150), id] })
    if (id % 10 === 0) await durable
  }
  await log.close()
}

const segmentsIn = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.oplog'))
    .sort()
    .map((name) => join(directory, name))

/** A copy that `damage` is done to; it gets the paths of the segments. */
function damaged(name: string, damage: (segments: string[]) => void): void {
  const directory = bench.directory()
  places[name] = join(directory, 'oplog')
  mkdirSync(places[name], { mode: 0o700 })
  for (const path of segmentsIn(places.good)) copyFileSync(path, path.replace(places.good, places[name]))
  damage(segmentsIn(places[name]))
}

function flip(path: string): void {
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1] ^= 1
  writeFileSync(path, bytes)
}

beforeAll(async () => {
  places.good = join(bench.directory(), 'oplog')
  await writeLog(places.good)
  damaged('torn', (segments) => appendFileSync(segments.at(-1) as string, 'half an entry'))
  damaged('flipped', ([first]) => flip(first))
  damaged('flippedAndTorn', (segments) => {
    flip(segments[0])
    appendFileSync(segments.at(-1) as string, 'half')
  })
  damaged('flippedLast', (segments) => flip(segments.at(-1) as string))
  damaged('truncated', ([first]) => truncateSync(first, readFileSync(first).length - 5))
  damaged('gap', ([, second]) => rmSync(second))
  places.empty = bench.directory()
  places.missing = join(places.empty, 'no')
})

afterAll(() => bench.cleanUp())

const NONE = /There is no log in/
const CORRUPT = /ERR_LOG_CORRUPT/

it.each([
  { command: 'inspect', place: 'good', code: 0, says: [/1\s+1\s+\d+\s.*not read/, /\s100\s+\d+\s.*ok/] },
  { command: 'inspect', place: 'torn', code: 1, says: [/torn tail/, /13 bytes from byte \d+ on/], piped: true },
  { command: 'inspect', place: 'flippedLast', code: 1, says: [/corrupt/, CORRUPT] },
  { command: 'inspect', place: 'gap', code: 1, says: [/gap/, /ERR_LOG_GAP/], piped: true },
  { command: 'inspect', place: 'empty', code: 1, says: [NONE] },
  { command: 'inspect', place: 'missing', code: 1, says: [/does not exist/] },
  { command: 'verify', place: 'good', code: 0, says: [/\s100\s+\d+\s.*ok/] },
  { command: 'verify', place: 'torn', code: 1, says: [/torn tail/, /--repair cuts it/], piped: true },
  { command: 'verify', place: 'flipped', code: 1, says: [/corrupt/, CORRUPT, /at byte \d+/] },
  { command: 'verify', place: 'truncated', code: 1, says: [/corrupt/, CORRUPT], piped: true },
  { command: 'verify', place: 'gap', code: 1, says: [/ERR_LOG_GAP/], piped: true },
  { command: 'verify', place: 'empty', code: 1, says: [NONE] },
  { command: 'verify', place: 'missing', code: 1, says: [/does not exist/] },
  { command: 'show', place: 'good', code: 0, says: [/"id":"1",.*\n.*"id":"2",/, /"id":"100",.*"params":\["x+",100\]/] },
  { command: 'show', place: 'torn', code: 0, says: [/"id":"100",/], piped: true },
  { command: 'show', place: 'flipped', code: 1, says: [CORRUPT] },
  { command: 'show', place: 'empty', code: 1, says: [NONE] },
  { command: 'show', place: 'missing', code: 1, says: [/does not exist/] },
])('forksnap log $command on $place', async ({ command, place, code, says, piped }) => {
  const line = ['log', command, places[place]]
  for (const ran of piped ? [await inPipe(line)] : await inBoth(line)) {
    const said = uncoloured(ran.out + ran.err)
    expect({ code: ran.code, said }).toMatchObject({ code })
    for (const text of says) expect(said).toMatch(text)
  }
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

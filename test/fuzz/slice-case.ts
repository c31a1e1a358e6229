import { crc32, gzipSync } from 'node:zlib'
import type { Random } from '../../examples/exchange/random'
import { encodeFooter, encodePreamble, hex32 } from '../../src/slice/format'
import { type ByteStep, changeBytes, drawByteStep, NUMBERS, pick } from './bytes'
import { SLICE_SEEDS, type SliceFrame } from './slice-seeds'
import type { Case } from './target'

type Field = 'type' | 'codec' | 'flags' | 'stored' | 'raw' | 'crc'

/** What may be done to a slice. All but `damage` comes before the checksums are made, so that they are right. */
export type SliceStep =
  | readonly ['payload', frame: number, change: ByteStep]
  /** The nth word of a frame of JSON becomes this text; the nth field of a frame of rows. */
  | readonly ['word', frame: number, n: number, text: string]
  | readonly ['field', frame: number, field: Field, value: number]
  | readonly ['drop' | 'double', frame: number]
  | readonly ['swap', frame: number, other: number]
  | readonly ['graft', at: number, seed: string, frame: number]
  | readonly ['damage', change: ByteStep]

const TABLE = 2
const ROWS = 3
const TRAILER = 7

/** The slice with all its steps done but damage. */
export function soundSlice({ seed, steps }: Case<SliceStep>): Buffer {
  const frames = (SLICE_SEEDS[seed] ?? []).map((frame) => ({ ...frame }))
  for (const step of steps) changeFrames(frames, step)
  return seal(frames)
}

export function damageSlice(sound: Buffer, { steps }: Case<SliceStep>): Buffer {
  return steps.reduce((bytes, step) => (step[0] === 'damage' ? changeBytes(bytes, step[1]) : bytes), sound)
}

function changeFrames(frames: SliceFrame[], step: SliceStep): void {
  if (step[0] === 'damage') return
  if (step[0] === 'graft') {
    const donor = SLICE_SEEDS[step[2]] ?? []
    if (donor.length > 0) frames.splice(step[1] % (frames.length + 1), 0, { ...at(donor, step[3]) })
    return
  }
  if (frames.length === 0) return
  const index = step[1] % frames.length
  const frame = at(frames, index)
  if (step[0] === 'payload') frame.payload = changeBytes(frame.payload, step[2])
  else if (step[0] === 'word') frame.payload = changeWord(frame, step[2], step[3])
  else if (step[0] === 'field') frame[step[2]] = step[3] >>> 0
  else if (step[0] === 'drop') frames.splice(index, 1)
  else if (step[0] === 'double') frames.splice(index, 0, { ...frame })
  else if (step[0] === 'swap') frames[index] = exchange(frames, step[2], frame)
}

/** Puts one into the place of another, which it returns. */
function exchange(frames: SliceFrame[], index: number, frame: SliceFrame): SliceFrame {
  return frames.splice(index % frames.length, 1, frame)[0] ?? frame
}

function at(frames: readonly SliceFrame[], index: number): SliceFrame {
  return frames[index % frames.length]
}

const JSON_WORD = /"(?:[^"\\]|\\.)*"|-?[\d.]+|true|false|null|[[\]{},:]/g
const ROW_WORD = /[^\t\n]*[\t\n]/g

function changeWord({ type, payload }: SliceFrame, n: number, text: string): Buffer {
  const whole = payload.toString('latin1')
  const words = [...whole.matchAll(type === ROWS ? ROW_WORD : JSON_WORD)]
  const word = words[n % Math.max(1, words.length)]
  if (word === undefined) return payload
  const end = word.index + word[0].length - (type === ROWS ? 1 : 0)
  return Buffer.concat([payload.subarray(0, word.index), Buffer.from(text), payload.subarray(end)])
}

/** Makes a stream of them of which every checksum is right. */
function seal(frames: readonly SliceFrame[]): Buffer {
  const preamble = encodePreamble()
  const pieces: Buffer[] = [preamble.bytes]
  let { chain } = preamble
  let before = chain
  let trailerOffset = 0
  let offset = preamble.bytes.length
  for (const frame of frames) {
    before = chain
    trailerOffset = offset
    const raw = frame.type === TRAILER ? withChecksum(frame.payload, chain) : frame.payload
    const payload = frame.codec === 1 ? gzipSync(raw, { level: 1 }) : raw
    const header = Buffer.alloc(20)
    header.writeUInt8(frame.type & 255, 0)
    header.writeUInt8(frame.codec & 255, 1)
    header.writeUInt16LE(frame.flags & 65_535, 2)
    header.writeUInt32LE(frame.stored ?? payload.length, 4)
    header.writeUInt32LE(frame.raw ?? raw.length, 8)
    header.writeUInt32LE(frame.crc ?? crc32(payload), 12)
    chain = crc32(header.subarray(0, 16), chain)
    header.writeUInt32LE(chain, 16)
    pieces.push(header, payload)
    offset += 20 + payload.length
  }
  pieces.push(encodeFooter({ trailerOffset, trailerBytes: offset - trailerOffset, chain: before }))
  return Buffer.concat(pieces)
}

function withChecksum(payload: Buffer, chain: number): Buffer {
  const text = payload.toString('latin1')
  return Buffer.from(text.replace(/"checksum":"[0-9a-f]{8}"/, `"checksum":"${hex32(chain)}"`), 'latin1')
}

const JSON_TEXTS =
  '{} [] "" "x" null true 0 -1 1.5 1e400 9007199254740993 {"$bigint":"1"} {"$date":1} {"__proto__":1} "int4" "int8" "json" "varchar(0)" "numeric(5,9)" [[]] , : { ] "\\ud800" "gzip" "types"'.split(
    ' ',
  )
const CELLS =
  '\\N|\\N\\N||-|-0|0|00012|1.|.5|+1|1e5|1e309|-1e-400|NaN|Infinity|-Infinity|infinity|2147483648|32768|9223372036854775808|-9223372036854775808|9007199254740993|t|f|true|2026-02-30|2026-02-28|2026-11-23 24:00:00|2026-11-23 12:00:00.5|2026-11-23 12:00:00.5+00|2026-11-23 12:00:00+05:30|0044-03-15 12:00:00+00 BC|4714-11-24 BC|294277-01-01 00:00:00|\\\\x|\\\\x0|\\\\xzz|\\\\x00FF|\\q|\\|\\\\|\\t|a\\tb|{"a":1}|[[[[|"\\\\ud800"|{"__proto__":{}}|null|\u0000|\u0663|\u{1f600}|1\t2|1\n2|0.10|100000000000000000000.000000001'
    .split('|')
    .concat('9'.repeat(400), `0.${'0'.repeat(40)}1`)

/** What columns may well hold, by type: so that what is accepted is compared, too. */
const VALUES: { readonly [type: string]: readonly string[] } = {
  bool: ['t', 'f', '\\N'],
  int2: ['0', '-1', '32767', '-32768', '\\N', '007'],
  int8: ['0', '-7', '9007199254740991', '9007199254740993', '-9223372036854775808', '9223372036854775807', '\\N'],
  float4: ['NaN', '-0', '1.5', '3.4e+38', 'Infinity', '0.1'],
  float8: ['NaN', '-0', '1e-7', '-Infinity', '1.7976931348623157e+308', '5e-324'],
  numeric: [
    '0.10',
    '-0',
    '-0.000',
    '-12.5',
    '1.',
    '9007199254740991',
    '90071992547409.92',
    `1.${'0'.repeat(30)}`,
    '0.00000001',
    '\\N',
  ],
  text: ['', 'a\\tb', '\\\\N', '\\N', '\u00e9', '\u{1f600}', '12', 'x'.repeat(80)],
  timestamp: ['2026-11-23 12:00:00.123456', '0044-03-15 12:00:00 BC', 'infinity', '294276-12-31 23:59:59.999'],
  timestamptz: ['2026-11-23 12:00:00+00', '2026-11-23 12:00:00.5+05:30', '1969-12-31 23:59:59.999+00', '-infinity'],
  date: ['2026-02-28', '0001-01-01 BC', '5874897-12-31', 'infinity', '\\N'],
  bytea: ['\\\\x', '\\\\x00ff', '\\\\x0'],
  jsonb: ['{"a":[1,null]}', '"\\\\u00e9"', 'null', '-0', '1e400', '{"__proto__":1}'],
  uuid: ['00112233-4455-6677-8899-aabbccddeeff', '00112233-4455-6677-8899-AABBCCDDEEFF'],
}

/** The types of a seed's table, without their limits. */
function typesOf(seed: string): string[] {
  const table = (SLICE_SEEDS[seed] ?? []).find(({ type }) => type === TABLE)
  if (table === undefined) return []
  const { columns } = JSON.parse(table.payload.toString()) as { columns: [name: string, type: string][] }
  return columns.map(([, type]) => type.replace(/\(.*/, '').replace('varchar', 'text'))
}

export function drawSlice(random: Random): Case<SliceStep> {
  // The large one takes a hundred times as long as the others.
  const seed =
    random.below(200) === 0
      ? 'pieces'
      : pick(
          random,
          Object.keys(SLICE_SEEDS).filter((name) => name !== 'pieces'),
        )
  const steps: SliceStep[] = []
  const kind = random.below(3)
  if (kind > 0) for (let i = random.between(1, 3); i > 0; i--) steps.push(drawStep(random, seed))
  if (kind < 2) {
    const { length } = soundSlice({ seed, steps })
    for (let i = pick(random, [1, 1, 1, 2, 4]); i > 0; i--) steps.push(['damage', drawByteStep(random, length)])
  }
  return { seed, steps }
}

function drawStep(random: Random, seed: string): SliceStep {
  const frames = SLICE_SEEDS[seed] ?? []
  const rows = frames.findIndex(({ type }) => type === ROWS)
  const frame = rows !== -1 && random.below(2) === 0 ? rows : random.below(frames.length)
  const choice = random.below(12)
  if (choice < 5) {
    const n = random.below(80)
    const types = typesOf(seed)
    const fitting = VALUES[types[n % Math.max(1, types.length)] ?? ''] ?? CELLS
    const texts = frames[frame]?.type !== ROWS ? JSON_TEXTS : random.below(4) === 0 ? CELLS : fitting
    return ['word', frame, n, pick(random, texts)]
  }
  if (choice < 7) return ['payload', frame, drawByteStep(random, 300)]
  if (choice === 7) return [pick(random, ['drop', 'double'] as const), frame]
  if (choice === 8) return ['swap', frame, random.below(frames.length)]
  if (choice === 9) return ['graft', frame, pick(random, Object.keys(SLICE_SEEDS)), random.below(9)]
  const field = pick(random, ['type', 'codec', 'flags', 'stored', 'raw', 'crc'] as const)
  const value = field === 'type' || field === 'codec' ? random.below(10) : pick(random, NUMBERS)
  return ['field', frame, field, value]
}

import { crc32 } from 'node:zlib'
import type { Random } from '../../examples/exchange/random'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  encodeSegmentHeader,
  ENTRY_HEADER_BYTES,
  entrySeed,
  epochSeed,
  SEGMENT_HEADER_BYTES,
} from '../../src/oplog/file-format'
import { type ByteStep, changeBytes, drawByteStep, NUMBERS, pick } from './bytes'
import type { Case } from './target'

interface Entry {
  method: string
  params: string
  time: number
  /** What the entry says, where that is not the truth. */
  length?: number
  methodBytes?: number
}

interface Batch {
  entries: Entry[]
  count?: number
  bodyBytes?: number
  firstId?: bigint
  durableOffset?: bigint
}

interface Segment {
  epoch: bigint
  firstId: bigint
  previousFirstId: bigint
  batches: Batch[]
  /** In the file's name, where it is another one. */
  named?: bigint
}

export interface WrittenSegment {
  readonly epoch: bigint
  readonly firstId: bigint
  bytes: Buffer
  /** Where each batch ends that has entries, and the id of its last one. */
  readonly ends: readonly { readonly offset: number; readonly lastId: bigint }[]
}

/** What may be done to a log. All but `damage` and `lose` comes before the checksums are made, so that they are right. */
export type LogStep =
  | readonly ['params' | 'method', batch: number, entry: number, text: string]
  | readonly ['bytes', batch: number, entry: number, change: ByteStep]
  | readonly ['entry', batch: number, entry: number, field: 'time' | 'length' | 'methodBytes', value: number]
  | readonly ['batch', batch: number, field: 'count' | 'bodyBytes' | 'firstId' | 'durableOffset', value: number]
  | readonly ['segment', segment: number, field: 'epoch' | 'firstId' | 'previousFirstId' | 'named', value: number]
  | readonly ['drop', batch: number]
  | readonly ['double', batch: number]
  | readonly ['swap', batch: number, other: number]
  | readonly ['damage', segment: number, change: ByteStep]
  | readonly ['lose', segment: number]

type Shape = readonly (readonly number[])[]

/** Entries of the batches of the segments; one of none is the mark that a closed log ends with. */
const SHAPES: { readonly [name: string]: Shape } = {
  closed: [[2, 2, 2, 2, 0]],
  killed: [[1, 3, 2]],
  several: [[2, 1], [3], [2, 2, 0]],
  empty: [[]],
  // More than is parsed at once.
  long: [[400, 0]],
}
const LOG_SEEDS = Object.keys(SHAPES)

/** The segments with all their steps done but damage. */
export function soundLog({ seed, steps }: Case<LogStep>): WrittenSegment[] {
  const segments = segmentsOf(SHAPES[seed] ?? [])
  for (const step of steps) change(segments, step)
  return segments.map(write)
}

export function damageLog(sound: readonly WrittenSegment[], { steps }: Case<LogStep>): WrittenSegment[] {
  const segments = sound.map((segment) => ({ ...segment }))
  for (const step of steps) {
    if (segments.length === 0) break
    if (step[0] === 'lose') segments.splice(step[1] % segments.length, 1)
    if (step[0] !== 'damage') continue
    const segment = segments[step[1] % segments.length]
    segment.bytes = changeBytes(segment.bytes, step[2])
  }
  return segments
}

function segmentsOf(shape: Shape): Segment[] {
  let id = 1n
  let previousFirstId = 0n
  return shape.map((batches) => {
    const segment: Segment = { epoch: 1n, firstId: id, previousFirstId, batches: [] }
    previousFirstId = id
    for (const count of batches) {
      const entries = Array.from({ length: count }, (_, i): Entry => {
        const params = JSON.stringify({ n: Number(id) + i, text: `entry "${i}" \u00e9` })
        return { method: i % 3 === 0 ? 'order_put' : 'cancel', params, time: 1000 + i }
      })
      segment.batches.push({ entries })
      id += BigInt(count)
    }
    return segment
  })
}

function change(segments: Segment[], step: LogStep): void {
  if (step[0] === 'damage' || step[0] === 'lose' || segments.length === 0) return
  if (step[0] === 'segment') {
    const segment = segments[step[1] % segments.length]
    segment[step[2]] = BigInt(step[3])
    return
  }
  const owners = segments.flatMap((segment) => segment.batches.map((_, at) => ({ segment, at })))
  const owner = owners[step[1] % Math.max(1, owners.length)]
  if (owner === undefined) return
  const { batches } = owner.segment
  const batch = batches[owner.at]
  if (step[0] === 'drop') batches.splice(owner.at, 1)
  else if (step[0] === 'double') batches.splice(owner.at, 0, batch)
  else if (step[0] === 'swap') batches[owner.at] = exchange(batches, step[2], batch)
  else if (step[0] === 'batch') changeBatch(batch, step[2], step[3])
  else {
    const entry = batch.entries[step[2] % Math.max(1, batch.entries.length)]
    if (entry !== undefined) changeEntry(entry, step)
  }
}

/** Puts one into the place of another, which it returns. */
function exchange(batches: Batch[], index: number, batch: Batch): Batch {
  return batches.splice(index % batches.length, 1, batch)[0] ?? batch
}

function changeBatch(batch: Batch, field: 'count' | 'bodyBytes' | 'firstId' | 'durableOffset', value: number): void {
  if (field === 'firstId' || field === 'durableOffset') batch[field] = BigInt(value)
  else batch[field] = value >>> 0
}

function changeEntry(entry: Entry, step: LogStep): void {
  if (step[0] === 'params' || step[0] === 'method') entry[step[0]] = step[3]
  else if (step[0] === 'bytes')
    entry.params = changeBytes(Buffer.from(entry.params, 'latin1'), step[3]).toString('latin1')
  else if (step[0] === 'entry') entry[step[3]] = step[4]
}

/** Makes a segment of which every checksum is right. */
function write(segment: Segment): WrittenSegment {
  const { epoch, firstId, previousFirstId } = segment
  const header = encodeSegmentHeader({ epoch, firstId, previousFirstId, salt: 99n })
  const seed = header.readUInt32LE(12)
  const pieces = [header]
  const ends: { offset: number; lastId: bigint }[] = []
  let offset = SEGMENT_HEADER_BYTES
  let id = firstId
  for (const batch of segment.batches) {
    const first = batch.firstId ?? id
    const entries = batch.entries.map((entry, i) => writeEntry(entry, entrySeed(epochSeed(epoch), first + BigInt(i))))
    const body = Buffer.concat(entries)
    const head = Buffer.alloc(BATCH_HEADER_BYTES)
    BATCH_MAGIC.copy(head)
    head.writeUInt32LE(batch.bodyBytes ?? body.length, 8)
    head.writeUInt32LE(batch.count ?? entries.length, 12)
    head.writeBigUInt64LE(BigInt.asUintN(64, first), 16)
    head.writeBigUInt64LE(BigInt.asUintN(64, batch.durableOffset ?? BigInt(offset)), 24)
    head.writeUInt32LE(crc32(head.subarray(8), seed), 4)
    pieces.push(head, body)
    offset += head.length + body.length
    id += BigInt(entries.length)
    if (entries.length > 0) ends.push({ offset, lastId: id - 1n })
  }
  return { epoch, firstId: segment.named ?? firstId, bytes: Buffer.concat(pieces), ends }
}

function writeEntry({ method, params, time, length, methodBytes }: Entry, seed: number): Buffer {
  const name = Buffer.from(method)
  const bytes = Buffer.concat([Buffer.alloc(ENTRY_HEADER_BYTES), name, Buffer.from(params, 'latin1')])
  bytes.writeUInt32LE((length ?? bytes.length - 8) >>> 0, 4)
  bytes.writeDoubleLE(time, 8)
  bytes[16] = methodBytes ?? name.length
  bytes.writeUInt32LE(crc32(bytes.subarray(4), seed), 0)
  return bytes
}

const PARAMS = ['', ' ', 'null', '1,2', '"a', 'b"', '[1', '2]', '{"__proto__":1}', '[', '{', '1', '\u00ff', '"\\ud800"']
const METHODS = ['', 'x', '__proto__', 'm\u00e9thode', 'y'.repeat(255), 'z'.repeat(256), '12']

export function drawLog(random: Random): Case<LogStep> {
  const seed = pick(random, random.below(20) === 0 ? ['long'] : LOG_SEEDS.filter((name) => name !== 'long'))
  const steps: LogStep[] = []
  const kind = random.below(3)
  if (kind > 0) for (let i = random.between(1, 3); i > 0; i--) steps.push(drawStep(random))
  if (kind < 2) {
    const sound = soundLog({ seed, steps })
    for (let i = pick(random, [1, 1, 1, 2]); i > 0; i--) {
      const segment = random.below(sound.length)
      const { length } = sound[segment].bytes
      steps.push(random.below(12) === 0 ? ['lose', segment] : ['damage', segment, drawByteStep(random, length)])
    }
  }
  return { seed, steps }
}

function drawStep(random: Random): LogStep {
  const batch = random.below(8)
  const entry = random.below(4)
  switch (random.below(9)) {
    case 0:
      return ['params', batch, entry, random.below(9) === 0 ? '['.repeat(2000) : pick(random, PARAMS)]
    case 1:
      return ['method', batch, entry, pick(random, METHODS)]
    case 2:
      return ['bytes', batch, entry, drawByteStep(random, 60)]
    case 3:
      return ['entry', batch, entry, pick(random, ['time', 'length', 'methodBytes'] as const), pick(random, NUMBERS)]
    case 4:
      return [pick(random, ['drop', 'double'] as const), batch]
    case 5:
      return ['swap', batch, random.below(8)]
    case 6: {
      const fields = ['epoch', 'firstId', 'previousFirstId', 'named'] as const
      return ['segment', random.below(3), pick(random, fields), random.below(12)]
    }
    default: {
      const fields = ['count', 'bodyBytes', 'firstId', 'durableOffset'] as const
      return ['batch', batch, pick(random, fields), random.below(2) === 0 ? random.below(12) : pick(random, NUMBERS)]
    }
  }
}

import { gzipSync } from 'node:zlib'
import type { Codec } from '../../src/slice/types'
import { createSliceWriter, type FinishingSliceWriter } from '../../src/slice/writer'

/** Sound slices to begin with, each taken apart into frames, so that one of them can be changed and all sealed again. */

export interface SliceFrame {
  type: number
  codec: number
  flags: number
  /** Decompressed. */
  payload: Buffer
  /** What the header says, where that is not the truth. */
  stored?: number
  raw?: number
  crc?: number
}

export const SLICE_SEEDS: { readonly [name: string]: readonly SliceFrame[] } = {
  types: framesOf('none', writeTypes),
  gzip: framesOf('gzip', writeTypes),
  orders: framesOf('none', (slice) => {
    const table = slice.table('orders', [
      ['id', 'int8', { as: 'number' }],
      ['price', 'numeric(30,8)'],
      ['note', 'text'],
    ])
    for (let i = 0; i < 30; i++) table.row(i, `${i}.5`, i % 5 === 0 ? null : `note\t${i}\\ \u00e9`)
  }),
  blobs: framesOf('none', (slice) => {
    slice.blob('empty', new Uint8Array(0))
    slice.blob('book', Buffer.alloc(300, 'blob'))
    slice.table('none', [['id', 'int4']])
    slice.set('digest', { a: [1, 'x', null] })
  }),
  pieces: framesOf('gzip', (slice) => slice.blob('large', Buffer.alloc(2 ** 20 + 5, 7))),
  empty: framesOf('none', () => undefined),
}

function writeTypes(slice: FinishingSliceWriter): void {
  const table = slice.table('types', [
    ['b', 'bool'],
    ['i2', 'int2'],
    ['i8', 'int8'],
    ['f4', 'float4'],
    ['f8', 'float8'],
    ['n', 'numeric'],
    ['v', 'varchar(9)'],
    ['ts', 'timestamp'],
    ['tz', 'timestamptz'],
    ['d', 'date'],
    ['raw', 'bytea'],
    ['j', 'jsonb'],
    ['u', 'uuid'],
  ])
  const at = new Date(Date.UTC(2026, 10, 23, 12, 0, 0, 250))
  const uuid = '00112233-4455-6677-8899-aabbccddeeff'
  const stamp = '2026-11-23 12:00:00.123456'
  for (let i = 0; i < 4; i++) {
    const raw = Buffer.from([i, 255])
    table.row(
      i % 2 === 0,
      i,
      BigInt(i) ** 39n,
      0.5 * i,
      i / 3,
      `${i}.25`,
      `v\n${i}`,
      stamp,
      at,
      '2026-11-23',
      raw,
      { i },
      uuid,
    )
  }
  table.row(null, null, null, null, null, null, null, null, null, null, null, null, null)
}

function framesOf(codec: Codec, write: (slice: FinishingSliceWriter) => void): SliceFrame[] {
  const pieces: Buffer[] = []
  const target = { write: (data: Uint8Array) => void pieces.push(Buffer.from(data)) }
  // Written plain and compressed when it is put together again, after its payloads have been changed.
  const options = { sliceId: 7n, meta: { position: 12n, name: 'x' }, codec: 'none' as const, syncEveryBytes: 0 }
  const writer = createSliceWriter(target, options)
  write(writer)
  writer.finish()
  const bytes = Buffer.concat(pieces)
  const frames: SliceFrame[] = []
  for (let at = 16; at < bytes.length - 28;) {
    const end = at + 20 + bytes.readUInt32LE(at + 4)
    const type = bytes.readUInt8(at)
    const payload = bytes.subarray(at + 20, end)
    const shrinks = codec === 'gzip' && (type === 3 || type === 6) && gzipSync(payload).length < payload.length
    frames.push({ type, codec: shrinks ? 1 : 0, flags: 0, payload })
    at = end
  }
  return frames
}

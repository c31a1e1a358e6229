import fc from 'fast-check'
import { crc32, gzipSync } from 'node:zlib'
import type { ForksnapError } from '../../src/errors'
import { encodePreamble } from '../../src/slice/format'
import { readHeader, readTrailer, SliceParser } from '../../src/slice/reader'
import type { Codec, ReadValue } from '../../src/slice/types'
import { SliceForge } from '../helpers/slice-forge'
import { CODECS, frames, readSlice, tryReadSlice, writeSlice } from '../helpers/slice-memory'

function makeSlice(codec: Codec, rows: number, position = 12n): Buffer {
  const { bytes } = writeSlice(
    (slice) => {
      const orders = slice.table('orders', [
        ['id', 'int8'],
        ['note', 'text'],
      ])
      for (let i = 0; i < rows; i++) orders.row(BigInt(i), i % 7 === 0 ? null : `note\t${i} `.repeat(3))
      slice.blob('book', Buffer.alloc(300, 'blob'))
      slice.table('empty', [['id', 'int4']])
      slice.set('digest', 'abc')
    },
    { codec, meta: { position, orderId: 5n } },
  )
  return bytes
}

/** Where the part of the stream begins that holds this byte: preamble, frame or footer. */
function partAt(bytes: Buffer, position: number): number {
  if (position < 16) return 0
  return frames(bytes).find(({ end }) => position < end)?.offset ?? bytes.length - 28
}

/** Rows as text, which is quick to compare. */
function linesOf(rows: readonly [string, ReadValue[]][]): string[] {
  return rows.map(([table, values]) => `${table} ${values.map(String).join('|')}`)
}

/** Reads damaged bytes: the error must name the offset, and the rows before it must be the first of the right ones. */
function expectDamage(
  damaged: Buffer,
  good: readonly string[],
  offset: number,
  chunkLengths?: number[],
  reason = '',
): void {
  const seen = tryReadSlice(damaged, chunkLengths)
  expect(seen.error).toMatchObject({
    code: 'ERR_SLICE_CORRUPT',
    offset,
    message: expect.stringContaining(reason) as unknown,
  })
  expect(linesOf(seen.rows).findIndex((line, i) => line !== good[i])).toBe(-1)
}

function changed(bytes: Buffer, position: number, mask: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[position] ^= mask
  return copy
}

describe.each(CODECS)('damage, codec %s', (codec) => {
  const small = makeSlice(codec, 40)
  // Several frames of rows, so that rows are delivered before the damage is met.
  const large = makeSlice(codec, 10_000)
  const smallRows = linesOf(readSlice(small).rows)
  const largeRows = linesOf(readSlice(large).rows)

  test('every byte changed', () => {
    for (let position = 0; position < small.length; position++) {
      for (const mask of [0x01, 0x80, 0xff]) {
        expectDamage(changed(small, position, mask), smallRows, partAt(small, position))
      }
    }
  })

  test('every length cut', () => {
    for (let length = 0; length < small.length; length++) expectDamage(small.subarray(0, length), smallRows, length)
  })

  test('any byte changed and any bytes appended, split anywhere', () => {
    const position = fc.integer({ min: 0, max: large.length - 1 })
    const lengths = fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(position, fc.integer({ min: 1, max: 255 }), lengths, (at, mask, chunkLengths) => {
        expectDamage(changed(large, at, mask), largeRows, partAt(large, at), chunkLengths)
      }),
      { numRuns: 40 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), lengths, (more, chunkLengths) => {
        expectDamage(Buffer.concat([large, more]), largeRows, large.length, chunkLengths, 'bytes follow the end')
      }),
      { numRuns: 20 },
    )
  })

  test('every byte of the ends changed or cut is seen without reading the rows', async () => {
    const trailerOffset = frames(small)[frames(small).length - 1].offset
    const read = (bytes: Buffer): Promise<unknown> => {
      const readAt = (at: number, length: number): Promise<Buffer> => Promise.resolve(bytes.subarray(at, at + length))
      return readHeader(readAt, bytes.length).then(() => readTrailer(readAt, bytes.length))
    }
    await expect(read(small)).resolves.toEqual(readSlice(small).trailer)
    const corrupt = expect.objectContaining({ code: 'ERR_SLICE_CORRUPT', offset: expect.any(Number) })
    for (let at = 0; at < small.length; at++) {
      if (at < frames(small)[0].end || at >= trailerOffset)
        await expect(read(changed(small, at, 1))).rejects.toEqual(corrupt)
      await expect(read(small.subarray(0, at))).rejects.toEqual(corrupt)
    }
    await expect(read(Buffer.concat([small, Buffer.alloc(1)]))).rejects.toEqual(corrupt)
  })

  test('frames that are missing, doubled, exchanged or of another slice', () => {
    const list = frames(large)
    const [first, second] = list.filter((frame) => frame.type === 3)
    const cut = ({ offset, end }: { offset: number; end: number }): Buffer => large.subarray(offset, end)
    const before = large.subarray(0, first.offset)
    const after = large.subarray(second.end)
    expectDamage(Buffer.concat([before, cut(second), after]), largeRows, first.offset)
    expectDamage(Buffer.concat([before, cut(second), cut(first), after]), largeRows, first.offset)
    expectDamage(Buffer.concat([before, cut(first), cut(first), cut(second), after]), largeRows, first.end)
    // A frame of another slice that holds the same rows but a different meta: only the chain tells them apart.
    const other = makeSlice(codec, 10_000, 13n)
    const foreign = frames(other).filter((frame) => frame.type === 3)[1]
    const strange = other.subarray(foreign.offset, foreign.end)
    expect(strange.subarray(20).equals(cut(second).subarray(20))).toBe(true)
    expectDamage(Buffer.concat([before, cut(first), strange, after]), largeRows, first.end)
  })
})

describe('streams with right checksums and wrong contents', () => {
  const forge = (): SliceForge => new SliceForge().header()
  const cases: [string, Buffer, string][] = [
    ['an unknown version', versioned(2), 'ERR_SLICE_VERSION'],
    ['an unknown frame type', forge().frame(8, 'x').bytes(), 'ERR_SLICE_VERSION'],
    [
      'an unknown codec',
      forge()
        .table()
        .frame(3, '1\n', (h) => h.writeUInt8(9, 1))
        .bytes(),
      'ERR_SLICE_VERSION',
    ],
    [
      'unknown flags',
      forge()
        .table()
        .frame(3, '1\n', (h) => h.writeUInt16LE(1, 2))
        .bytes(),
      'ERR_SLICE_VERSION',
    ],
    ['an unknown header codec', new SliceForge().header({ codec: 'lz4' }).bytes(), 'ERR_SLICE_VERSION'],
    ['an unknown header field', new SliceForge().header({ more: 1 }).bytes(), 'ERR_SLICE_VERSION'],
    [
      'an unknown column type',
      forge()
        .table([['id', 'int16']])
        .bytes(),
      'ERR_SLICE_VERSION',
    ],
    ['a header that is no JSON', new SliceForge().frame(1, '{').bytes(), 'ERR_SLICE_CORRUPT'],
    ['a slice id that is no number', new SliceForge().header({ sliceId: '0x1' }).bytes(), 'ERR_SLICE_CORRUPT'],
    ['a bad tag in meta', new SliceForge().header({ meta: { a: { $bigint: 'x' } } }).bytes(), 'ERR_SLICE_CORRUPT'],
    ['an unknown tag in meta', new SliceForge().header({ meta: { $date: 1 } }).bytes(), 'ERR_SLICE_CORRUPT'],
    ['meta nested a hundred thousand deep', deepMeta(100_000), 'ERR_SLICE_CORRUPT'],
    ['a second header', forge().header().bytes(), 'ERR_SLICE_CORRUPT'],
    ['no header', new SliceForge().table().bytes(), 'ERR_SLICE_CORRUPT'],
    ['rows without a table', forge().frame(3, '1\n').bytes(), 'ERR_SLICE_CORRUPT'],
    ['a table inside a table', forge().table().table().bytes(), 'ERR_SLICE_CORRUPT'],
    ['a table twice', forge().table().json(4, { rows: 0 }).table().bytes(), 'ERR_SLICE_CORRUPT'],
    ['a length of gigabytes', forge().table().frame(3, '1\n', lengths(0xffffffff)).bytes(), 'ERR_SLICE_CORRUPT'],
    [
      'a length over the limit',
      forge()
        .table()
        .frame(3, '1\n', lengths(65 * 1024 * 1024))
        .bytes(),
      'ERR_SLICE_CORRUPT',
    ],
    ['an empty frame', forge().table().frame(3, '').bytes(), 'ERR_SLICE_CORRUPT'],
    [
      'a compressed header',
      new SliceForge().frame(1, gzipSync('x'.repeat(99)), codec(1, 99)).bytes(),
      'ERR_SLICE_CORRUPT',
    ],
    [
      'a bomb',
      forge()
        .table()
        .frame(3, gzipSync(Buffer.alloc(1e6)), codec(1, 5000))
        .bytes(),
      'ERR_SLICE_CORRUPT',
    ],
    ['no gzip', forge().table().frame(3, 'xx', codec(1, 5000)).bytes(), 'ERR_SLICE_CORRUPT'],
    ['a row without an end', forge().table().frame(3, '1').bytes(), 'ERR_SLICE_CORRUPT'],
    ['a value of another type', forge().table().frame(3, '1\nx\n').bytes(), 'ERR_SLICE_CORRUPT'],
    ['too many fields', forge().table().frame(3, '1\t2\n').bytes(), 'ERR_SLICE_CORRUPT'],
    [
      'bytes that are not UTF-8',
      forge()
        .table([['a', 'text']])
        .frame(3, Buffer.from([255, 10]))
        .bytes(),
      'ERR_SLICE_CORRUPT',
    ],
    ['a wrong row count', forge().table().frame(3, '1\n').json(4, { rows: 2 }).bytes(), 'ERR_SLICE_CORRUPT'],
    ['a negative row count', forge().table().json(4, { rows: -1 }).bytes(), 'ERR_SLICE_CORRUPT'],
    ['a blob that is too long', forge().json(5, { name: 'b', bytes: 1 }).frame(6, 'xx').bytes(), 'ERR_SLICE_CORRUPT'],
    [
      'a blob of petabytes',
      forge()
        .json(5, { name: 'b', bytes: 2 ** 52 })
        .frame(6, 'xx')
        .bytes(),
      'ERR_SLICE_CORRUPT',
    ],
    [
      'a trailer that counts other tables',
      forge()
        .trailer({ tables: [['t', 0]] })
        .footer(),
      'ERR_SLICE_CORRUPT',
    ],
    ['a trailer that counts other rows', forge().trailer({ rows: 1 }).footer(), 'ERR_SLICE_CORRUPT'],
    ['a trailer with another checksum', forge().trailer({ checksum: '00000000' }).footer(), 'ERR_SLICE_CORRUPT'],
    ['a footer with another chain', forge().trailer().footer({ chain: 5 }), 'ERR_SLICE_CORRUPT'],
    ['a footer with another offset', forge().trailer().footer({ trailerOffset: 16 }), 'ERR_SLICE_CORRUPT'],
    [
      'a footer with a huge offset',
      forge()
        .trailer()
        .footer({ trailerOffset: 2 ** 53 }),
      'ERR_SLICE_CORRUPT',
    ],
  ]

  test('the forge makes good slices, too', () => {
    const bytes = forge()
      .table()
      .frame(3, '1\n')
      .json(4, { rows: 1 })
      .trailer({ rows: 1, tables: [['t', 1]] })
      .footer()
    expect(readSlice(bytes).rows).toEqual([['t', [1]]])
  })

  test.each(cases)('%s', (_, bytes, code) => {
    const { error } = tryReadSlice(bytes)
    expect(error).toMatchObject({ code })
    // At the length of the stream it would only be said to end too early, whatever it holds.
    expect((error as ForksnapError).offset).toBeLessThan(bytes.length)
  })

  test.each(cases.filter(([name]) => name.includes('trailer') || name.includes('footer')))(
    '%s, read from the end',
    async (name, bytes) => {
      const readAt = (at: number, length: number): Promise<Buffer> => Promise.resolve(bytes.subarray(at, at + length))
      const trailer = readTrailer(readAt, bytes.length)
      // Which tables there are, only the stream itself knows.
      if (name.includes('other tables')) await expect(trailer).resolves.toMatchObject({ rows: 0 })
      else await expect(trailer).rejects.toMatchObject({ code: 'ERR_SLICE_CORRUPT' })
    },
  )
})

/** A preamble of another version, its checksum right. */
function versioned(version: number): Buffer {
  const preamble = encodePreamble().bytes
  preamble.writeUInt32LE(version, 8)
  preamble.writeUInt32LE(crc32(preamble.subarray(0, 12)), 12)
  return preamble
}

function deepMeta(depth: number): Buffer {
  const meta = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  return new SliceForge().frame(1, `{"sliceId":"1","codec":"none","meta":${meta}}`).bytes()
}

/** Changes both lengths of a frame header. */
function lengths(bytes: number): (header: Buffer) => void {
  return (header) => {
    header.writeUInt32LE(bytes, 4)
    header.writeUInt32LE(bytes, 8)
  }
}

function codec(number: number, rawBytes: number): (header: Buffer) => void {
  return (header) => {
    header.writeUInt8(number, 1)
    header.writeUInt32LE(rawBytes, 8)
  }
}

test('an error of a handler passes through, and the parser is of no use after it', () => {
  const bytes = makeSlice('none', 3)
  const failure = new Error('the handler failed')
  const parser = new SliceParser({
    row: () => {
      throw failure
    },
  })
  expect(() => parser.push(bytes)).toThrow(failure)
  expect(() => parser.push(bytes)).toThrow(failure)
  expect(() => parser.end()).toThrow(failure)
})

test('without a row handler rows are counted and checked all the same', () => {
  const bytes = makeSlice('none', 100)
  const parser = new SliceParser()
  parser.push(bytes)
  expect(parser.bytesRead).toBe(bytes.length)
  expect(parser.end()).toMatchObject({
    rows: 100,
    tables: [
      { name: 'orders', rows: 100 },
      { name: 'empty', rows: 0 },
    ],
  })
  expect(() => parser.end()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }))
})

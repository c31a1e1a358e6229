import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { entryCrc } from '../../src/oplog/entry-crc'
import { addEntry, BatchPool } from '../../src/oplog/file-batch'
import { type DecodedBatch, decodeBody } from '../../src/oplog/file-decode'
import { BATCH_HEADER_BYTES, entrySeed, epochSeed, sealEntry } from '../../src/oplog/file-format'
import { encodeOperation } from '../../src/oplog/operation'
import type { NewOperation } from '../../src/oplog/oplog'
import type { JsonValue } from '../../src/slice/types'

const SEED = epochSeed(7n)

/** The entries of a batch as the log writes them. */
function bodyOf(operations: readonly NewOperation[], firstId: bigint): Buffer {
  const batch = new BatchPool().take()
  batch.buffer = Buffer.concat([batch.buffer, Buffer.alloc(1024 * 1024)])
  operations.forEach((operation, i) => {
    addEntry(batch, encodeOperation(operation), entrySeed(SEED, firstId + BigInt(i)))
  })
  return batch.buffer.subarray(BATCH_HEADER_BYTES, batch.end)
}

/** An entry whose checksum is right and whose params need not be JSON. */
function forged(params: Buffer, id: bigint): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(17), Buffer.from('m'), params])
  sealEntry(bytes, 0, bytes.length, 1, 1, entrySeed(SEED, id))
  return bytes
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function decode(body: Buffer, entries: number, firstId: bigint, wanted = true): DecodedBatch {
  return decodeBody(body, { bodyBytes: body.length, entries, firstId, durableOffset: 0 }, SEED, wanted)
}

describe('the CRC of an entry', () => {
  it('is that of zlib, at every length and place and from every seed', () => {
    const cases = fc.tuple(fc.uint8Array({ maxLength: 600 }), fc.nat({ max: 40 }), fc.nat({ max: 0xffffffff }))
    fc.assert(
      fc.property(cases, ([data, skipped, seed]) => {
        const bytes = Buffer.from(data)
        const start = Math.min(skipped, bytes.length)
        for (const end of [bytes.length - 1, bytes.length].filter((one) => one > start)) {
          expect(entryCrc(bytes, start, end, seed)).toBe(crc32(bytes.subarray(start, end), seed))
        }
      }),
    )
    for (const length of [511, 512, 513, 70_000]) {
      const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 7) & 255))
      expect(entryCrc(bytes, 0, length, 0xffffffff)).toBe(crc32(bytes, 0xffffffff))
    }
  })
})

describe('the entries of a batch', () => {
  const text = fc.string({ unit: 'grapheme' })
  const operation = fc.record({
    method: fc.oneof(
      fc.constantFrom('order_put', 'order_cancel', '12', '__proto__', 'm\u00e9thode'),
      fc.stringMatching(/^\w{1,9}$/),
    ),
    params: fc
      .oneof(
        fc.record({
          user_id: fc.nat(),
          market: fc.constantFrom('ETH_USDT', 'UNI_USDT'),
          amount: fc.stringMatching(/^\d\.\d$/),
        }),
        fc.jsonValue(),
        text,
        fc.string({ unit: fc.constantFrom('x', '"', '\\', '\n', ',', ']', '[', '{', '\u{1f600}'), maxLength: 3000 }),
      )
      .map((value) => JSON.parse(JSON.stringify(value)) as JsonValue),
    time: fc.integer({ min: 0, max: 253_402_300_799_999 }),
  })

  it('come back as they were appended, whatever they hold and however many there are', () => {
    const firstIds = fc.bigInt({ min: 1n, max: 2n ** 63n })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), firstIds, (operations, firstId) => {
        const body = bodyOf(operations, firstId)
        const expected = operations.map(({ method, params, time }, i) => ({
          id: firstId + BigInt(i),
          time,
          method,
          params,
        }))
        expect(decode(body, operations.length, firstId)).toStrictEqual({ entries: expected, damagedAt: undefined })
        expect(decode(body, operations.length, firstId, false)).toStrictEqual({ entries: [], damagedAt: undefined })
      }),
    )
  })

  it('come back where they fill more than is parsed at once, and where a single one does', () => {
    const small = Array.from({ length: 1500 }, (_, i) => ({
      method: 'm',
      params: { text: 'x'.repeat(i % 90) },
      time: i,
    }))
    const large = { method: 'large', params: ['y'.repeat(100_000)], time: 1 }
    const operations: NewOperation[] = [...small, large, ...small.slice(0, 10), large]
    const { entries } = decode(bodyOf(operations, 1n), operations.length, 1n)
    expect(entries.map(({ method, params, time }) => ({ method, params, time }))).toStrictEqual(operations)
  })

  it('are damaged where a byte is another one, in whichever entry', () => {
    const operations = Array.from({ length: 20 }, (_, i) => ({ method: 'put', params: { i, note: 'abc' }, time: i }))
    const starts = operations.map((_, i) => bodyOf(operations.slice(0, i), 5n).length)
    const place = fc.nat({ max: bodyOf(operations, 5n).length - 1 })
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 255 }), (at, change) => {
        const body = Buffer.from(bodyOf(operations, 5n))
        body[at] ^= change
        const damagedAt = starts.findLast((start) => start <= at)
        expect(decode(body, operations.length, 5n)).toStrictEqual({ entries: [], damagedAt })
      }),
    )
    expect(decode(bodyOf(operations, 5n), 20, 6n).damagedAt).toBe(0)
    expect(decode(bodyOf(operations, 5n), 19, 5n).damagedAt).toBe(starts[19])
    expect(decode(bodyOf(operations, 5n), 21, 5n).damagedAt).toBe(bodyOf(operations, 5n).length)
  })

  it.each([
    ['two values in one', ['1,2', '', '3']],
    ['a text that begins in one and ends in the next', ['"a', 'b"', '1,2']],
    ['an array that begins in one and ends in the next', ['[1', '2]']],
    ['one value too many', ['1,2', '3']],
    ['no value', ['', '1']],
    ['a value cut short', ['{"a":1', '2']],
  ])('are refused where an entry that is sound by its checksum holds no JSON: %s', (_, params) => {
    const body = Buffer.concat(params.map((one, i) => forged(Buffer.from(one), BigInt(i + 1))))
    const { entries, damagedAt, unreadableAt } = decode(body, params.length, 1n)
    expect({ entries, damagedAt }).toStrictEqual({ entries: [], damagedAt: undefined })
    // The first of them that is no JSON by itself.
    const bad = params.findIndex((one) => !isJson(one))
    expect(unreadableAt).toBe(params.slice(0, bad).reduce((sum, one) => sum + 18 + one.length, 0))
  })
})

import { SliceParser } from '../../src/slice/reader'
import { CODECS, frames, readSlice, writeSlice } from '../helpers/slice-memory'

/** Bytes that differ everywhere and compress a little. */
function numbered(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i >> 4) * 31 + i)
}

const MIB = 2 ** 20
const whole = numbered(3 * MIB + 4321)

/** The same bytes as views of several kinds, which meet in the middle of pieces and at their borders. */
function cut(...borders: number[]): ArrayBufferView[] {
  const ends = [...borders, whole.length]
  return ends.map((end, i) => {
    const part = whole.slice(i === 0 ? 0 : ends[i - 1], end)
    return i % 2 === 0 ? part : new DataView(part.buffer)
  })
}

describe('the blob of a list of views', () => {
  it.each(CODECS)('is, byte for byte, the blob of all their bytes (codec %s)', (codec) => {
    const expected = writeSlice((slice) => slice.blob('b', whole), { codec }).bytes
    const lists = [cut(), cut(1), cut(100, 100, MIB - 1, 3 * MIB), cut(MIB, 2 * MIB, 2 * MIB + 1), cut(whole.length)]
    for (const list of lists) {
      expect(writeSlice((slice) => slice.blob('b', list), { codec }).bytes.equals(expected)).toBe(true)
    }
    expect(Buffer.from(readSlice(expected).blobs.get('b') ?? []).equals(whole)).toBe(true)
  })

  it('may be empty, or hold shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(5)).fill(7)
    const { bytes, trailer } = writeSlice((slice) => {
      slice.blob('none', [])
      slice.blob('nothing', [new Uint8Array(0), new ArrayBuffer(0)])
      slice.blob('shared', [shared, shared.buffer])
    })
    expect(trailer.blobs.map((blob) => blob.bytes)).toEqual([0, 0, 10])
    expect(readSlice(bytes).blobs.get('shared')).toEqual(new Uint8Array(10).fill(7))
  })

  it('refuses what is no bytes', () => {
    for (const data of ['text', [new Uint8Array(1), [1, 2]], 5, null]) {
      expect(() => writeSlice((slice) => slice.blob('b', data as never))).toThrow('a list of these')
    }
  })

  it('is told about once for each piece', () => {
    const told: number[] = []
    const { bytes } = writeSlice((slice) => slice.blob('b', cut(10, MIB + 10)), {
      onProgress: (_rows, count) => told.push(count),
    })
    const pieces = frames(bytes).filter(({ type }) => type === 6)
    expect(told.slice(0, -1)).toEqual(pieces.map(({ end }) => end))
  })
})

describe('the pieces of a blob', () => {
  it('go to the sink that was given for it, and other blobs to their handler', () => {
    const { bytes } = writeSlice((slice) => {
      slice.blob('first', whole)
      slice.blob('second', numbered(100))
      slice.blob('empty', [])
    })
    const got: Buffer[] = []
    const told: unknown[] = []
    const parser = new SliceParser({
      pieces(name, count) {
        told.push(['begins', name, count])
        if (name === 'second') return undefined
        return { write: (piece) => void got.push(Buffer.from(piece)), end: () => void told.push(['ends', name]) }
      },
      blob: (name, data) => void told.push(['whole', name, data.length]),
    })
    for (let at = 0; at < bytes.length; at += 100_001) parser.push(bytes.subarray(at, at + 100_001))
    parser.end()
    expect(told).toEqual([
      ['begins', 'first', whole.length],
      ['ends', 'first'],
      ['begins', 'second', 100],
      ['whole', 'second', 100],
      ['begins', 'empty', 0],
      ['ends', 'empty'],
    ])
    expect(Buffer.concat(got).equals(whole)).toBe(true)
  })

  it('are verified before they are delivered', () => {
    const { bytes } = writeSlice((slice) => slice.blob('b', whole))
    const second = frames(bytes).filter(({ type }) => type === 6)[1]
    bytes[(second?.end ?? 0) - 1] ^= 1
    let arrived = 0
    const parser = new SliceParser({ pieces: () => ({ write: (piece) => (arrived += piece.length), end: () => {} }) })
    expect(() => parser.push(bytes)).toThrow(expect.objectContaining({ code: 'ERR_SLICE_CORRUPT' }) as Error)
    expect(arrived).toBe(MIB)
  })
})

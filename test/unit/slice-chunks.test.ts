import { randomBytes } from 'node:crypto'
import { CHUNK_BYTES_MAX, SliceParser } from '../../src/slice/reader'
import { writeSlice } from '../helpers/slice-memory'

const MIB = 2 ** 20

/** Reads as a FileStore does: a chunk is asked for before the one in front of it is parsed. Which pieces were copied? */
function readInChunks(bytes: Buffer): { pieces: string[]; lengths: number[]; contents: Buffer } {
  const pieces: string[] = []
  const contents: Buffer[] = []
  let chunk: Buffer = Buffer.alloc(0)
  const parser = new SliceParser({
    blobPiece(_, piece) {
      pieces.push(piece.buffer === chunk.buffer ? 'in place' : 'copied')
      contents.push(Buffer.from(piece))
    },
  })
  const lengths: number[] = []
  const cut = (from: number): Buffer => {
    const length = parser.chunkBytes(from)
    lengths.push(length)
    const whole = Buffer.allocUnsafeSlow(length)
    return whole.subarray(0, bytes.copy(whole, 0, from))
  }
  let next = cut(0)
  for (let position = 0; position < bytes.length;) {
    chunk = next
    position += chunk.length
    if (position < bytes.length) next = cut(position)
    parser.push(chunk)
  }
  parser.end()
  return { pieces, lengths, contents: Buffer.concat(contents) }
}

describe('chunks of the length that a parser asks for', () => {
  it('end where pieces of a blob begin, so that these are not copied, and are never longer than a buffer', () => {
    const blob = randomBytes(8 * MIB + 100)
    const { bytes } = writeSlice((slice) => {
      const table = slice.table('t', [['x', 'text']])
      for (let i = 0; i < 10; i++) table.row('x'.repeat(123_457))
      slice.blob('b', blob)
    })
    const { pieces, lengths, contents } = readInChunks(bytes)
    expect(contents.equals(blob)).toBe(true)
    expect(pieces).toHaveLength(9)
    // Until the first chunk that was asked for within the blob has come.
    expect(pieces.slice(2, 8)).toEqual(Array(6).fill('in place'))
    expect(Math.max(...lengths)).toBe(CHUNK_BYTES_MAX)
    expect(Math.min(...lengths)).toBeGreaterThan(0)
  })
})

import { crc32 } from 'node:zlib'
import { encodeFooter, encodePreamble } from '../../src/slice/format'

/** Makes streams whose checksums are right and whose contents need not be: what a hostile hand could make. */
export class SliceForge {
  private readonly pieces: Buffer[] = []
  private chain: number

  constructor(preamble: Buffer = encodePreamble().bytes) {
    this.pieces.push(preamble)
    this.chain = preamble.readUInt32LE(12)
  }

  /** Adds a frame. `change` may alter the header's fields before their checksum is made. */
  frame(type: number, payload: Buffer | string, change: (header: Buffer) => void = () => {}): this {
    const bytes = Buffer.from(payload)
    const header = Buffer.alloc(20)
    header.writeUInt8(type, 0)
    header.writeUInt32LE(bytes.length, 4)
    header.writeUInt32LE(bytes.length, 8)
    header.writeUInt32LE(crc32(bytes), 12)
    change(header)
    this.chain = crc32(header.subarray(0, 16), this.chain)
    header.writeUInt32LE(this.chain, 16)
    this.pieces.push(header, bytes)
    return this
  }

  json(type: number, value: object, change?: (header: Buffer) => void): this {
    return this.frame(type, JSON.stringify(value), change)
  }

  header(fields: object = {}): this {
    return this.json(1, { sliceId: '1', codec: 'none', meta: {}, ...fields })
  }

  table(columns: unknown = [['id', 'int4']], name = 't'): this {
    return this.json(2, { name, columns })
  }

  trailer(fields: object = {}): this {
    const checksum = this.chain.toString(16).padStart(8, '0')
    return this.json(7, { rows: 0, tables: [], blobs: [], values: {}, checksum, ...fields })
  }

  /** The stream so far. */
  bytes(): Buffer {
    return Buffer.concat(this.pieces)
  }

  /** Adds a footer for the last frame, as if it were a trailer, with these fields changed. */
  footer(fields: { trailerOffset?: number; trailerBytes?: number; chain?: number } = {}): Buffer {
    const [header, payload] = this.pieces.slice(-2) as [Buffer, Buffer]
    const trailerBytes = header.length + payload.length
    const before = this.pieces[this.pieces.length - 4]
    const chain = before.length === 20 ? before.readUInt32LE(16) : this.pieces[0].readUInt32LE(12)
    const good = { trailerOffset: this.bytes().length - trailerBytes, trailerBytes, chain }
    return Buffer.concat([...this.pieces, encodeFooter({ ...good, ...fields })])
  }
}

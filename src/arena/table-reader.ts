import type { BlobSink } from '../slice/types'
import { type AnyArray, freeAll, type Memory, newChunk, type TableSchema } from './columns'
import {
  checkPrefix,
  damaged,
  FIRST_LINK,
  IN_USE,
  NO_ROW,
  PREFIX_BYTES,
  readShape,
  type TableShape,
} from './table-format'

export interface SavedTable {
  readonly shape: TableShape
  /** Links and columns of the first chunk, then those of the next one. */
  readonly arrays: readonly AnyArray[]
}

/**
 * Takes the blob of a table with these columns, piece by piece, into new memory, which is freed again if it cannot be used;
 * `done` gets it once it is complete and checked.
 */
export function readTable(
  memory: Memory,
  schema: TableSchema,
  bytes: number,
  done: (saved: SavedTable) => void,
): BlobSink {
  const reader = new TableReader(memory, schema, bytes)
  const guarded = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      reader.discard()
      throw error
    }
  }
  return {
    write: (piece) => guarded(() => reader.take(piece)),
    end: () => guarded(() => done(reader.finish())),
  }
}

class TableReader {
  private head = Buffer.alloc(0)
  private jsonBytes: number | undefined
  private shape: TableShape | undefined
  private readonly arrays: AnyArray[] = []
  /** What is to be filled, in the order of the blob, and how far it is. */
  private targets: Uint8Array[] = []
  private target = 0
  private at = 0

  constructor(
    private readonly memory: Memory,
    private readonly schema: TableSchema,
    private readonly bytes: number,
  ) {}

  take(piece: Uint8Array): void {
    let rest = this.shape === undefined ? this.takeHead(piece) : piece
    while (rest.length > 0) {
      const target = this.targets[this.target]
      const part = rest.subarray(0, target.length - this.at)
      target.set(part, this.at)
      rest = rest.subarray(part.length)
      this.at += part.length
      if (this.at < target.length) continue
      this.target += 1
      this.at = 0
    }
  }

  finish(): SavedTable {
    const { shape, arrays } = this
    if (shape === undefined || this.target < this.targets.length) throw damaged(`it has only ${this.bytes} bytes`)
    checkFreeList(shape, arrays, Object.keys(this.schema).length + 1)
    return { shape, arrays }
  }

  discard(): void {
    freeAll(this.memory, this.arrays.splice(0))
  }

  /** Returns what follows the head. */
  private takeHead(piece: Uint8Array): Uint8Array {
    this.head = Buffer.concat([this.head, piece])
    if (this.head.length < PREFIX_BYTES) return EMPTY
    this.jsonBytes ??= checkPrefix(this.head)
    const headBytes = PREFIX_BYTES + this.jsonBytes
    if (this.head.length < headBytes) return EMPTY
    const shape = readShape(this.head.toString('utf8', PREFIX_BYTES, headBytes), this.schema, this.bytes)
    const rest = this.head.subarray(headBytes)
    this.allocate(shape)
    this.shape = shape
    this.head = Buffer.alloc(0)
    return rest
  }

  private allocate({ chunkRows, end }: TableShape): void {
    for (let first = 0; first < end; first += chunkRows) {
      const chunk = newChunk(this.memory, this.schema, chunkRows)
      this.arrays.push(...chunk)
      const rows = Math.min(chunkRows, end - first)
      this.targets.push(
        ...chunk.map(({ buffer, BYTES_PER_ELEMENT }) => new Uint8Array(buffer, 0, rows * BYTES_PER_ELEMENT)),
      )
    }
  }
}

const EMPTY = new Uint8Array(0)

/** A list that runs in a circle or to rows in use would give one row to two. */
function checkFreeList(
  { chunkRows, end, length, free }: TableShape,
  arrays: readonly AnyArray[],
  columns: number,
): void {
  const linkOf = (row: number): number => Number(arrays[Math.floor(row / chunkRows) * columns][row % chunkRows])
  let left = end - length
  let link = free
  for (; link !== NO_ROW && left > 0; left--) {
    const row = link - FIRST_LINK
    if (!Number.isInteger(row) || row < 0 || row >= end) throw damaged(`row ${row} is in its free list`)
    link = linkOf(row)
    if (link === IN_USE) throw damaged(`row ${row} is free and in use`)
  }
  if (link !== NO_ROW || left !== 0) throw damaged('its free list does not have as many rows as are free')
}

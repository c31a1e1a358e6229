import type { Arena } from './arena'

/**
 * The columns of an arena's table. Each is a list of typed arrays, one for each `chunkRows` rows, so that a table grows
 * without copying a byte: its views stay good, and no growth takes longer than another one. That costs a look-up per
 * access. Each kind has a class of its own with its own `get` and `set`, although their texts are the same: V8 optimises a function
 * for the arrays that it has seen: one for all kinds takes 44 ns for a `get` and a `set`, these take 3.
 */
interface Chunk<Value> {
  [index: number]: Value
  readonly buffer: ArrayBufferLike
}

abstract class Chunked<Array extends Chunk<unknown>> {
  /** One for each `chunkRows` rows; rows that were removed are in them, too. For loops over all rows. */
  readonly chunks: Array[] = []
  protected shift = 0
  protected mask = 0

  constructor(chunkRows: number) {
    this.reset(chunkRows)
  }

  /** Forgets all chunks. For the table, which owns their memory. */
  reset(chunkRows: number): void {
    this.chunks.length = 0
    this.shift = Math.log2(chunkRows)
    this.mask = chunkRows - 1
  }
}

class U8Column extends Chunked<Uint8Array<ArrayBuffer>> {
  get(row: number): number {
    return this.chunks[row >>> this.shift][row & this.mask]
  }
  set(row: number, value: number): void {
    this.chunks[row >>> this.shift][row & this.mask] = value
  }
}

class U16Column extends Chunked<Uint16Array<ArrayBuffer>> {
  get(row: number): number {
    return this.chunks[row >>> this.shift][row & this.mask]
  }
  set(row: number, value: number): void {
    this.chunks[row >>> this.shift][row & this.mask] = value
  }
}

export class U32Column extends Chunked<Uint32Array<ArrayBuffer>> {
  get(row: number): number {
    return this.chunks[row >>> this.shift][row & this.mask]
  }
  set(row: number, value: number): void {
    this.chunks[row >>> this.shift][row & this.mask] = value
  }
}

class U64Column extends Chunked<BigUint64Array<ArrayBuffer>> {
  get(row: number): bigint {
    return this.chunks[row >>> this.shift][row & this.mask]
  }
  set(row: number, value: bigint): void {
    this.chunks[row >>> this.shift][row & this.mask] = value
  }
}

class I8Column extends Chunked<Int8Array<ArrayBuffer>> {
  get(row: number): number {
    return this.chunks[row >>> this.shift][row & this.mask]
  }
  set(row: number, value: number): void {
    this.chunks[row >>> this.shift][row & this.mask] = value
  }
}

class I16Column extends Chunked<Int16Array<ArrayBuffer>> {
  get(row: number): number {
    return this.chunks[row >>> this.shift][row & this.mask]
  }
  set(row: number, value: number): void {
    this.chunks[row >>> this.shift][row & this.mask] = value
  }
}

class I32Column extends Chunked<Int32Array<ArrayBuffer>> {
  get(row: number): number {
    return this.chunks[row >>> this.shift][row & this.mask]
  }
  set(row: number, value: number): void {
    this.chunks[row >>> this.shift][row & this.mask] = value
  }
}

class I64Column extends Chunked<BigInt64Array<ArrayBuffer>> {
  get(row: number): bigint {
    return this.chunks[row >>> this.shift][row & this.mask]
  }
  set(row: number, value: bigint): void {
    this.chunks[row >>> this.shift][row & this.mask] = value
  }
}

class F64Column extends Chunked<Float64Array<ArrayBuffer>> {
  get(row: number): number {
    return this.chunks[row >>> this.shift][row & this.mask]
  }
  set(row: number, value: number): void {
    this.chunks[row >>> this.shift][row & this.mask] = value
  }
}

/** What a kind is made of, and its zero. */
export const KINDS = {
  u8: { column: U8Column, array: Uint8Array, zero: 0 },
  u16: { column: U16Column, array: Uint16Array, zero: 0 },
  u32: { column: U32Column, array: Uint32Array, zero: 0 },
  u64: { column: U64Column, array: BigUint64Array, zero: 0n },
  i8: { column: I8Column, array: Int8Array, zero: 0 },
  i16: { column: I16Column, array: Int16Array, zero: 0 },
  i32: { column: I32Column, array: Int32Array, zero: 0 },
  i64: { column: I64Column, array: BigInt64Array, zero: 0n },
  f64: { column: F64Column, array: Float64Array, zero: 0 },
} as const

/** Unsigned and signed integers of 8 to 64 bits, of which those of 64 bits are bigints, and floating-point numbers. */
export type ColumnKind = keyof typeof KINDS

/**
 * A column of that kind: `get(row)`, `set(row, value)`, and `chunks`, its typed arrays of `chunkRows` rows each, for
 * loops over all rows. See `ArenaTable` for what they do not check.
 */
export type ColumnOf<Kind extends ColumnKind> = InstanceType<(typeof KINDS)[Kind]['column']>

export type AnyColumn = ColumnOf<ColumnKind>
export type AnyArray = InstanceType<(typeof KINDS)[ColumnKind]['array']>

/** The names of a table's columns and their kinds, in their order. */
export interface TableSchema {
  readonly [column: string]: ColumnKind
}

export function bytesOf(kind: ColumnKind): number {
  return KINDS[kind].array.BYTES_PER_ELEMENT
}

/** A column's values of one chunk, in memory that begins there. */
function arrayOf(kind: ColumnKind, buffer: ArrayBuffer): AnyArray {
  return new KINDS[kind].array(buffer)
}

/** Where a table has its memory from. */
export type Memory = Pick<Arena, 'alloc' | 'free'>

/** Memory for the links and all columns of a chunk, in this order; if there is not enough for all, none is taken. */
export function newChunk(memory: Memory, schema: TableSchema, chunkRows: number): AnyArray[] {
  const arrays: AnyArray[] = []
  try {
    for (const kind of ['u32', ...Object.values(schema)] as const) {
      arrays.push(arrayOf(kind, memory.alloc(chunkRows * bytesOf(kind))))
    }
  } catch (error) {
    freeAll(memory, arrays)
    throw error
  }
  return arrays
}

export function freeAll(memory: Memory, arrays: readonly AnyArray[]): void {
  for (const { buffer } of arrays) memory.free(buffer)
}

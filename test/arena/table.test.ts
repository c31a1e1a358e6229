import { Arena, type ArenaTable, type TableSchema } from '../../src/index'
import { SliceParser } from '../../src/slice/reader'
import { failure } from '../helpers/failure'
import { writeSlice } from '../helpers/slice-memory'

const MIB = 2 ** 20
const CHUNK = 1024

const newArena = (): Arena => new Arena({ bytes: 4 * MIB })

function saved<S extends TableSchema>(table: ArenaTable<S>): Buffer {
  return writeSlice((slice) => table.write(slice, 't')).bytes
}

/** Restores in chunks of that many bytes. */
function restore<S extends TableSchema>(table: ArenaTable<S>, slice: Buffer, step = 1000): void {
  const parser = new SliceParser({ pieces: (_name, bytes) => table.pieces(bytes) })
  for (let at = 0; at < slice.length; at += step) parser.push(slice.subarray(at, at + step))
  parser.end()
}

describe('a column', () => {
  it.each([
    ['u8', [0, 255]],
    ['u16', [0, 65535]],
    ['u32', [0, 2 ** 32 - 1]],
    ['u64', [0n, 2n ** 64n - 1n]],
    ['i8', [-128, 127]],
    ['i16', [-32768, 32767]],
    ['i32', [-(2 ** 31), 2 ** 31 - 1]],
    ['i64', [-(2n ** 63n), 2n ** 63n - 1n]],
    ['f64', [-0.1, Number.MAX_VALUE]],
  ] as const)('of kind %s holds its whole range, and is restored', (kind, values) => {
    const table = newArena().table({ v: kind }, { chunkRows: CHUNK })
    const other = newArena().table({ v: kind })
    const column = table.columns.v as { get(row: number): unknown; set(row: number, value: unknown): void }
    for (let row = 0; row < CHUNK + 2; row++) expect(table.insert()).toBe(row)
    expect(column.get(CHUNK + 1)).toEqual(typeof values[0] === 'bigint' ? 0n : 0)
    const rows = [0, CHUNK - 1, CHUNK, CHUNK + 1]
    rows.forEach((row, i) => column.set(row, values[i % 2]))
    restore(other, saved(table))
    for (const columns of [table.columns, other.columns]) {
      expect(rows.map((row) => columns.v.get(row))).toEqual([...values, ...values])
    }
  })
})

describe('a table', () => {
  it('numbers its rows, gives the last removed one out again, and zeroes it', () => {
    const table = newArena().table({ id: 'u64', side: 'u8' }, { chunkRows: CHUNK })
    expect([table.length, table.end, table.capacity]).toEqual([0, 0, 0])
    for (let i = 0; i < 5; i++) table.columns.id.set(table.insert(), 7n)
    table.remove(1)
    table.remove(3)
    expect([table.length, table.end, table.capacity]).toEqual([3, 5, CHUNK])
    expect([...table.rows()]).toEqual([0, 2, 4])
    expect([0, 1, 4, 5, -1, 0.5, 2 ** 32].map((row) => table.has(row))).toEqual([
      ...[true, false, true, false, false, false, false],
    ])
    for (const row of [1, 5, -1, 0.5, NaN, '0' as unknown as number]) {
      expect(failure(() => table.remove(row)).code).toBe('ERR_INVALID_STATE')
    }
    expect([table.insert(), table.insert(), table.insert()]).toEqual([3, 1, 5])
    expect([table.columns.id.get(3), table.columns.id.get(4)]).toEqual([0n, 7n])
  })

  it('grows without copying, and leaves everything as it was if it cannot', () => {
    const arena = new Arena({ bytes: 4 * MIB, maxBytes: 4 * MIB })
    const table = arena.table({ a: 'f64', b: 'u8', c: 'i16' }, { chunkRows: 2 ** 16 })
    while (table.end < 2 ** 16) table.insert()
    const [first] = table.columns.a.chunks
    table.insert()
    expect(table.columns.a.chunks[0]).toBe(first)
    const { buffers } = arena.stats()
    while (table.end < table.capacity) table.insert()
    // The room that is left is enough for some of the columns only.
    arena.alloc(1_600_000)
    expect(failure(() => table.insert()).code).toBe('ERR_ARENA_FULL')
    expect([table.length, table.end, table.capacity, arena.stats().buffers]).toEqual([
      ...[2 ** 17, 2 ** 17, 2 ** 17, buffers + 1],
    ])
    table.remove(5)
    expect(table.insert()).toBe(5)
  })

  it('frees its memory, and keeps its columns', () => {
    const arena = newArena()
    const table = arena.table({ a: 'f64' }, { chunkRows: CHUNK })
    const { a } = table.columns
    for (let i = 0; i < 3 * CHUNK; i++) a.set(table.insert(), i)
    table.remove(7)
    table.clear()
    expect([arena.stats().usedBytes, table.length, table.end, table.has(0)]).toEqual([0, 0, 0, false])
    expect(table.insert()).toBe(0)
    expect([table.columns.a, a.get(0)]).toEqual([a, 0])
  })

  it('checks its schema and options', () => {
    const arena = newArena()
    for (const schema of [undefined, {}, { a: 'u9' }, { 1: 'u8' }, { a: undefined }]) {
      expect(failure(() => arena.table(schema as never)).code).toBe('ERR_INVALID_ARGUMENT')
    }
    for (const chunkRows of [512, 1025, 2 ** 25, 1.5]) {
      expect(failure(() => arena.table({ a: 'u8' }, { chunkRows })).code).toBe('ERR_INVALID_ARGUMENT')
    }
    expect(failure(() => arena.table({ a: 'u8' }, { rows: 5 } as never)).code).toBe('ERR_INVALID_ARGUMENT')
  })
})

describe('a restored table', () => {
  const SCHEMA = { id: 'u64', price: 'i32', amount: 'f64', side: 'u8' } as const

  /** The same steps for every one that starts with the same number. */
  function trade(table: ArenaTable<typeof SCHEMA>, seed: number, steps: number): void {
    let state = seed
    const random = (limit: number): number => (state = (state * 48271) % 2147483647) % limit
    for (let i = 0; i < steps; i++) {
      const victim = random(table.end + 1)
      if (random(3) === 0 && table.has(victim)) {
        table.remove(victim)
        continue
      }
      const row = table.insert()
      table.columns.id.set(row, BigInt(i))
      table.columns.price.set(row, -i)
      table.columns.amount.set(row, i / 3)
      table.columns.side.set(row, i % 2)
    }
  }

  function contents(table: ArenaTable<typeof SCHEMA>): unknown[] {
    const { id, price, amount, side } = table.columns
    return Array.from(table.rows(), (row) => [row, id.get(row), price.get(row), amount.get(row), side.get(row)])
  }

  it.each([0, 1, 1000, 5000])('has the same rows after %d steps, and goes on in the same way', (steps) => {
    const table = newArena().table(SCHEMA, { chunkRows: CHUNK })
    trade(table, 11, steps)
    const slice = saved(table)
    for (const step of [7777, slice.length, ...(steps < 100 ? [1] : [])]) {
      const arena = newArena()
      const other = arena.table(SCHEMA)
      restore(other, slice, step)
      expect([other.length, other.end, other.chunkRows]).toEqual([table.length, table.end, CHUNK])
      expect(contents(other)).toEqual(contents(table))
      const copy = newArena().table(SCHEMA)
      restore(copy, saved(other))
      trade(other, 23, 500)
      trade(copy, 23, 500)
      expect(contents(copy)).toEqual(contents(other))
      other.clear()
      expect(arena.stats().buffers).toBe(0)
    }
  })

  it('must have the saved columns, in their order', () => {
    const table = newArena().table({ id: 'u64', price: 'i64' })
    table.insert()
    const slice = saved(table)
    for (const schema of [{ id: 'u64' }, { price: 'i64', id: 'u64' }, { id: 'u64', price: 'f64' }] as const) {
      const arena = newArena()
      expect(failure(() => restore(arena.table(schema as TableSchema), slice))).toMatchObject({
        code: 'ERR_SCHEMA_MISMATCH',
        message: expect.stringContaining('{ id: u64, price: i64 }') as string,
      })
      expect(arena.stats().buffers).toBe(0)
    }
    const other = writeSlice((writer) => writer.blob('t', new Uint8Array(100))).bytes
    expect(failure(() => restore(newArena().table({ id: 'u64' }), other)).code).toBe('ERR_SCHEMA_MISMATCH')
  })

  it('must be empty', () => {
    const table = newArena().table({ id: 'u64' })
    table.insert()
    const slice = saved(table)
    expect(failure(() => restore(table, slice)).code).toBe('ERR_INVALID_STATE')
    table.clear()
    restore(table, slice)
    expect(table.length).toBe(1)
  })

  it('is refused if it contradicts itself, and takes no memory then', () => {
    const table = newArena().table({ id: 'u8' }, { chunkRows: CHUNK })
    for (let i = 0; i < 6; i++) table.insert()
    for (const row of [1, 3, 5]) table.remove(row)
    const pieces: Uint8Array[] = []
    table.write({ blob: (_name: string, data: Uint8Array[]) => pieces.push(...data) } as never, 't')
    const blob = Buffer.concat(pieces.map((piece) => Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)))
    const json = '{"columns":[["id","u8"]],"chunkRows":1024,"end":6,"length":3,"free":7}'
    expect(blob.toString('utf8', 16, 16 + json.length)).toBe(json)
    const links = 16 + json.length
    const forge = (change: (forged: Buffer) => Buffer | void): Buffer => {
      const forged = Buffer.from(blob)
      const changed = change(forged) ?? forged
      return writeSlice((writer) => writer.blob('t', changed)).bytes
    }
    const replace = (from: string, to: string) => (forged: Buffer) => void forged.write(json.replace(from, to), 16)
    const damage: [string, (forged: Buffer) => Buffer | void][] = [
      ['row 4294967291 is in its free list', (forged) => void forged.writeUInt32LE(2 ** 32 - 3, links + 5 * 4)],
      ['row 6 is in its free list', (forged) => void forged.writeUInt32LE(8, links + 5 * 4)],
      ['as many rows as are free', (forged) => void forged.writeUInt32LE(7, links + 5 * 4)],
      ['as many rows as are free', (forged) => void forged.writeUInt32LE(1, links + 5 * 4)],
      ['row 4 is free and in use', (forged) => void forged.writeUInt32LE(6, links + 5 * 4)],
      ['as many rows as are free', replace('"length":3', '"length":4')],
      ['of its 6 rows are in use', replace('"length":3', '"length":9')],
      ['instead of', replace('"end":6', '"end":7')],
      ['its chunks have 1023 rows', replace('1024', '1023')],
      ['instead of', (forged) => forged.subarray(0, -1)],
      ['it has only 20 bytes', (forged) => forged.subarray(0, 20)],
      ['description cannot be read', replace('"end":6', '"end":.')],
      ['description cannot be read', replace('"end":6', '"end":[')],
      ['description cannot be read', replace('[["id","u8"]]', '{          } ')],
      ['description cannot be read', replace('["id","u8"]', '"id"       ')],
      ['description cannot be read', replace('1024', '"24"')],
      ['4294967295 bytes', (forged) => void forged.writeUInt32LE(2 ** 32 - 1, 12)],
    ]
    for (const [message, change] of damage) {
      const arena = newArena()
      expect(failure(() => restore(arena.table({ id: 'u8' }), forge(change)))).toMatchObject({
        code: 'ERR_SLICE_CORRUPT',
        message: expect.stringContaining(message) as string,
      })
      expect(arena.stats().buffers).toBe(0)
    }
    const newer = forge((forged) => void forged.writeUInt32LE(2, 8))
    expect(failure(() => restore(newArena().table({ id: 'u8' }), newer)).code).toBe('ERR_SLICE_VERSION')
  })
})

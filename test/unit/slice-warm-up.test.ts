import type { SliceWriter } from '../../src/slice/types'
import { warmUpPass } from '../../src/slice/warm-up'

const OPTIONS = { sliceId: 0n, meta: {}, codec: 'none', syncEveryBytes: 0 } as const
const ID = [['id', 'int8']] as const
const LONG_MS = 600_000

function pass(write: (slice: SliceWriter) => void, rows: number, ms = LONG_MS): { rows: number; complete: boolean } {
  return warmUpPass(write, { rows, ms }, OPTIONS)
}

function* endless(onReturn: () => void = () => {}): Generator<bigint> {
  try {
    for (let id = 0n; ; id++) yield id
  } finally {
    onReturn()
  }
}

test('a small state is written to its end', () => {
  const result = pass((slice) => {
    slice.table('a', ID).rows([1n, 2n], (id) => [id])
    slice.table('b', ID).row(3n)
    slice.set('digest', 'x')
  }, 100)
  expect(result).toEqual({ rows: 3, complete: true })
})

test('a state of exactly the budget is complete', () => {
  expect(pass((slice) => slice.table('a', ID).rows([1n, 2n], (id) => [id]), 2)).toEqual({ rows: 2, complete: true })
})

test('row() ends the pass when the budget is used up', () => {
  let reached = false
  const result = pass((slice) => {
    const table = slice.table('a', ID)
    for (const id of endless()) table.row(id)
    reached = true
  }, 1000)
  expect(result).toEqual({ rows: 1000, complete: false })
  expect(reached).toBe(false)
})

test('a write() that swallows everything is stopped at each row again', () => {
  let attempts = 0
  const result = pass((slice) => {
    for (const name of ['a', 'b', 'c']) {
      const table = slice.table(name, ID)
      for (let i = 0; i < 5000; i++) {
        try {
          table.row(BigInt(i))
        } catch {
          attempts++
        }
      }
    }
  }, 1000)
  expect(result).toEqual({ rows: 1000, complete: false })
  expect(attempts).toBe(14_000)
})

test('an error that write() makes of the stop is not an error of its own', () => {
  const result = pass((slice) => {
    const table = slice.table('a', ID)
    try {
      for (const id of endless()) table.row(id)
    } catch {
      throw new Error('cannot write')
    }
  }, 10)
  expect(result).toEqual({ rows: 10, complete: false })
})

test('rows() leaves early, closes the iterator, and write() goes on with the next tables', () => {
  let closed = 0
  const seen: string[] = []
  const result = pass((slice) => {
    for (const name of ['a', 'b', 'c']) {
      slice.table(name, ID).rows(
        endless(() => closed++),
        (id) => [id],
      )
      seen.push(name)
    }
    slice.set('digest', 'x')
  }, 1000)
  expect(seen).toEqual(['a', 'b', 'c'])
  expect(closed).toBe(3)
  expect(result.complete).toBe(false)
  // A few rows more for each further table, so that its own columns become warm, too.
  expect(result.rows).toBeGreaterThan(1000)
  expect(result.rows).toBeLessThan(1000 + 2 * 1000)
})

test('the time is bounded, too', () => {
  expect(pass((slice) => slice.table('a', ID).rows(endless(), (id) => [id]), Infinity, 5).complete).toBe(false)
  expect(
    pass(
      (slice) => {
        const table = slice.table('a', ID)
        for (const id of endless()) table.row(id)
      },
      Infinity,
      5,
    ).complete,
  ).toBe(false)
})

test('no time at all: no rows', () => {
  expect(pass((slice) => slice.table('a', ID).rows(endless(), (id) => [id]), 100, 0)).toEqual({
    rows: 0,
    complete: false,
  })
})

test('errors of write() pass through', () => {
  const failure = new Error('engine')
  const fail = (): void => {
    throw failure
  }
  expect(() => pass(fail, 100)).toThrow(failure)
  const refused = expect.objectContaining({ code: 'ERR_INVALID_VALUE', table: 'a', row: 2, column: 'id' })
  expect(() =>
    pass((slice) => {
      const table = slice.table('a', ID)
      table.row(1n)
      table.row('x' as never)
    }, 100),
  ).toThrow(refused)
})

test('of a blob only the beginning is looked at', () => {
  const blob = new Uint8Array(200_000)
  let bytes = 0
  const result = pass((slice) => {
    slice.blob('book', blob)
    bytes = (slice as unknown as { bytes: number }).bytes
  }, 100)
  expect(result).toEqual({ rows: 0, complete: true })
  expect(bytes).toBeGreaterThan(65_536)
  expect(bytes).toBeLessThan(70_000)
})

test('a value that set() gets as a function is not computed, even where the whole state is passed', () => {
  let calls = 0
  const reached: string[] = []
  const result = pass((slice) => {
    slice.set('before', () => ++calls)
    slice.table('a', ID).rows([1n, 2n], (id) => [id])
    reached.push('after')
    slice.set('digest', () => {
      throw new Error('never called')
    })
  }, 100)
  expect(result).toEqual({ rows: 2, complete: true })
  expect({ calls, reached }).toEqual({ calls: 0, reached: ['after'] })
})

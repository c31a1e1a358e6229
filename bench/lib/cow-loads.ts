import { writeState } from '../../examples/exchange/state'
import type { SliceWriter } from '../../src/slice/types'
import { fullExchange, type ExchangeKind } from './exchange'

/** A state, what changes it, and what a child writes of it. */
export interface CowLoad {
  /** One change. */
  step(number: number): void
  write(slice: SliceWriter): undefined
}

interface Item {
  readonly id: number
  version: number
  last: { readonly at: number; readonly amount: number }
}

const START_MS = Date.UTC(2026, 0, 1)

/** Uniformly random numbers below `count`, reproducible (xorshift32). */
function randomBelow(count: number): () => number {
  let state = 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % count
  }
}

/**
 * The worst case: each change writes to a random one of so many objects and hangs a new object on it. No page is spared, and
 * the next young collection has to write again to each object that was changed.
 */
function randomUpdates(objects: number): CowLoad {
  const items: Item[] = []
  for (let id = 0; id < objects; id++) items.push({ id, version: 0, last: { at: id, amount: id + 0.5 } })
  const next = randomBelow(objects)
  return {
    step(number) {
      const item = items[next()]
      if (item === undefined) return
      item.version++
      item.last = { at: number, amount: number + 0.5 }
    },
    write(slice) {
      const columns = [
        ['id', 'int4'],
        ['version', 'int4'],
        ['at', 'int8', { as: 'number' }],
        ['amount', 'float8'],
      ] as const
      slice.table('item', columns).rows(items, ({ id, version, last }) => [id, version, last.at, last.amount])
    },
  }
}

/** The exchange's flow of orders, trades and cancellations over so many resting orders. */
function orderFlow(orders: number, kind: ExchangeKind): CowLoad {
  const { engine, flow } = fullExchange(orders, kind)
  return {
    step: (number) => void flow.next(START_MS + number),
    write: (slice) => {
      writeState(engine, slice)
      return undefined
    },
  }
}

const COW_LOADS = {
  random: randomUpdates,
  orders: (orders: number) => orderFlow(orders, { pattern: 'lively' }),
  'even-orders': (orders: number) => orderFlow(orders, { pattern: 'even' }),
  'arena-orders': (orders: number) => orderFlow(orders, { pattern: 'lively', state: 'arena' }),
}
export type CowLoadName = keyof typeof COW_LOADS

/** Throws an `Error` for a name that no load has. */
export function cowLoadNamed(name: string | undefined): (size: number) => CowLoad {
  const load = name === undefined ? undefined : new Map(Object.entries(COW_LOADS)).get(name)
  if (load === undefined) throw new Error(`no load ${name}; there are ${Object.keys(COW_LOADS).join(', ')}`)
  return load
}

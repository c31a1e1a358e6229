/** forksnap over plain objects; whether the heap is packed is decided by how this process was started. */
import { setTimeout } from 'node:timers/promises'
import { isMakingHugePages } from '../../../src/huge-pages'
import { packedHeapBytes } from '../../../src/packed-heap'
import { Snapshotter } from '../../../src/snapshotter'
import type { Column, SliceWriter } from '../../../src/slice/types'
import { FileStore } from '../../../src/store/file'
import { Load } from './load'
import type { Session } from './method'
import { makeOrders, OrderState } from './orders'

const COLUMNS = [
  ['id', 'int8'],
  ['market', 'text'],
  ['user', 'text'],
  ['side', 'text'],
  ['type', 'text'],
  ['price', 'int8'],
  ['amount', 'int8'],
  ['remain', 'int8'],
  ['signature', 'text'],
  ['created_at', 'int8'],
  ['updated_at', 'int8'],
] as const satisfies readonly Column[]

/** Any snapshot of forksnap's, into files that are synced. */
export async function forksnapSession(
  folder: string,
  write: (slice: SliceWriter) => undefined,
  startLoad: () => Load,
): Promise<Session> {
  const store = new FileStore({ directory: folder, keep: { count: 1 } })
  const snapshotter = new Snapshotter({ store, write, intervalMs: 0 })
  await snapshotter.start()
  return {
    startLoad,
    async take() {
      const { pauseMs, bytes, cowBytes } = await snapshotter.save()
      return { pauseMs, bytes, copiedBytes: cowBytes, ownMemory: false }
    },
    async settled() {
      while (isMakingHugePages()) await setTimeout(1)
    },
    close: () => snapshotter.close(),
  }
}

export async function startHeap(records: number, folder: string): Promise<Session> {
  const orders = makeOrders(records)
  const write = (slice: SliceWriter): undefined => {
    slice.table('orders', COLUMNS).rows(orders, (order) => {
      const { id, market, user, side, type, price, amount, remain, signature, createdAt, updatedAt } = order
      return [id, market, user, side, type, price, amount, remain, signature, createdAt, updatedAt]
    })
  }
  return forksnapSession(folder, write, () => new Load(new OrderState(orders)))
}

export function startPacked(records: number, folder: string): Promise<Session> {
  if (packedHeapBytes() === 0) throw new Error('the heap of this process is not packed')
  return startHeap(records, folder)
}

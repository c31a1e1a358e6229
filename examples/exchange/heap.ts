import type { Snapshotter } from 'forksnap'

/** Whether the state lies in huge pages, side by side, so that a fork of it is short: said at the start. */
export function heapLine({ stats }: Pick<Snapshotter, 'stats'>): string {
  return stats.packedHeapBytes > 0 ? 'the heap is packed into huge pages' : 'the heap is scattered over small pages'
}

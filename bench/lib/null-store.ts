import { closeSync, openSync } from 'node:fs'
import type { SliceSink, SliceSource, SliceStore } from '../../src/store/store'

/** Keeps nothing: the child writes to /dev/null. What is measured is the child, not a disk. */
export class NullStore implements SliceStore {
  readonly kind = 'null'
  readonly epoch = 1n
  private lastId = 0n

  start(): Promise<void> {
    return Promise.resolve()
  }

  create(): Promise<SliceSink> {
    const sliceId = ++this.lastId
    let fd = openSync('/dev/null', 'w')
    const close = (): Promise<void> => {
      if (fd >= 0) closeSync(fd)
      fd = -1
      return Promise.resolve()
    }
    return Promise.resolve({
      sliceId,
      fd,
      writing: { codec: 'none', syncEveryBytes: 0 },
      commit: async ({ meta, trailer: { rows, bytes } }) => {
        await close()
        const position = meta.position ?? 0n
        return { sliceId, epoch: 1n, position, rows, bytes, createdAt: new Date(), meta, location: '/dev/null' }
      },
      cancel: close,
    })
  }

  list(): Promise<[]> {
    return Promise.resolve([])
  }

  open(): Promise<SliceSource> {
    return Promise.reject(new Error('this store keeps nothing'))
  }

  remove(): Promise<void> {
    return Promise.resolve()
  }

  beginEpoch(): Promise<bigint> {
    return Promise.resolve(this.epoch)
  }

  prune(): Promise<bigint[]> {
    return Promise.resolve([])
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

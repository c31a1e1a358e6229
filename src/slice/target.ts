import { fdatasyncSync, writeSync } from 'node:fs'
import { errnoOf } from '../errors'
import { failpoint } from '../failpoint'

/** Where a slice's bytes go. The bytes are the writer's again as soon as `write` returns. */
export interface SliceTarget {
  /** Writes all of it or throws. */
  write(data: Uint8Array): void
  /** Brings what was written to the disk. */
  sync?(): void
}

/**
 * A descriptor: file, pipe or device. The system's errors pass through as they are (`EPIPE`, `ENOSPC`, `EFBIG`). `sync`
 * is `fdatasync`; on what cannot be synced (a pipe, `/dev/null`) it does nothing.
 */
export function fdTarget(fd: number): SliceTarget {
  let syncable = true
  return {
    write(data) {
      for (let done = 0; done < data.length;) done += writeSome(fd, data, done)
    },
    sync() {
      if (syncable) syncable = syncOnce(fd)
    },
  }
}

const waiting = new Int32Array(new SharedArrayBuffer(4))
const FULL_PIPE_WAIT_MS = 1

/** One write; returns how many bytes it took. */
function writeSome(fd: number, data: Uint8Array, from: number): number {
  try {
    return writeSync(fd, data, from, data.length - from)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EINTR') return 0
    if (errno !== 'EAGAIN') throw error
    // A pipe in non-blocking mode is full and the event loop of a forked child never runs: there is nothing but waiting.
    Atomics.wait(waiting, 0, 0, FULL_PIPE_WAIT_MS)
    return 0
  }
}

/** Returns false for a descriptor that cannot be synced. An I/O error is thrown: after it the data may be lost. */
function syncOnce(fd: number): boolean {
  for (;;) {
    try {
      failpoint('slice.child.sync.before')
      fdatasyncSync(fd)
      failpoint('slice.child.sync.after')
      return true
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'EINVAL' || errno === 'ENOTSUP' || errno === 'EROFS') return false
      if (errno !== 'EINTR') throw error
    }
  }
}

/** Takes everything and keeps nothing: for the warm-up. */
export function nullTarget(): SliceTarget {
  return { write() {} }
}

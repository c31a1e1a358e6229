import { fdatasyncSync, writeSync } from 'node:fs'
import { binding } from '../binding'
import { errnoOf } from '../errors'
import { failpoint } from '../failpoint'

/** Where a slice's bytes go. The bytes are the writer's again as soon as `write` returns. */
export interface SliceTarget {
  /** Writes all of it or throws. */
  write(data: Uint8Array): void
  /** Has the disk begin with what was written since the last call, so that little is left for the sync at the end. */
  startSync?(): void
  /** Brings what was written to the disk. */
  sync?(): void
}

/**
 * A descriptor: a file at its beginning, a pipe or a device. The system's errors pass through as they are (`EPIPE`, `ENOSPC`,
 * `EFBIG`). `sync` is `fdatasync`; on what cannot be synced (a pipe, `/dev/null`) it does nothing.
 */
export function fdTarget(fd: number): SliceTarget {
  const writeBack = new EarlyWriteBack(fd)
  let syncable = true
  return {
    write(data) {
      for (let done = 0; done < data.length;) done += writeSome(fd, data, done)
      writeBack.written += data.length
    },
    startSync() {
      if (syncable && !writeBack.start()) this.sync?.()
    },
    sync() {
      if (syncable) syncable = syncOnce(fd)
    },
  }
}

/** A multiple of every system's page. */
const PORTION_ALIGNMENT = 64 * 1024

/**
 * Keeps the disk at work while the next bytes are made, which a sync in between would not: it waits for the disk, and then
 * the disk waits. There are never more than two portions on their way, so that a sync of somebody else's file, which
 * may have to wait for these, stays short. A portion ends with a whole page: the next write into a page that is on its way
 * to the disk would wait until it is there.
 */
class EarlyWriteBack {
  /** Bytes so far. */
  written = 0
  private started = 0
  private before = 0

  constructor(private readonly fd: number) {}

  /** False where the system or the file has no such thing. */
  start(): boolean {
    const { fd, started, before } = this
    const end = this.written - (this.written % PORTION_ALIGNMENT)
    if (end === started) return true
    if (!binding().writeBack(fd, started, end - started, false)) return false
    if (started > before) binding().writeBack(fd, before, started - before, true)
    this.before = started
    this.started = end
    return true
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

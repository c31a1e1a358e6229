import { constants } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { binding } from '../binding'
import { ForksnapError, type ForksnapErrorDetails } from '../errors'
import { chmodFd, closeFd, fstatFd, readAt, truncateFd, writeText } from './descriptor'
import { LOCK_NAME } from './file-names'
import { FILE_MODE, openRegular } from './safe-open'

/**
 * Takes the kernel's exclusive lock on an open file without waiting; false if another open file holds it. The lock
 * belongs to the open file, so it excludes a second store of the same process too, and the kernel drops it when the
 * process ends, however it ends.
 */
function tryLock(fd: number): boolean {
  return binding().flock(fd, 'exclusive')
}

const PID_BYTES_MAX = 20

/** The exclusive right to change a directory. */
export class DirectoryLock {
  readonly #fd: number
  readonly #path: string
  #released = false

  private constructor(fd: number, path: string) {
    this.#fd = fd
    this.#path = path
  }

  /** Throws `ERR_LOCKED` if another process, or another store of this one, holds the directory. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const path = join(directory, LOCK_NAME)
    const { fd } = await openRegular(path, constants.O_RDWR | constants.O_CREAT)
    try {
      if (!tryLock(fd)) throw await lockedError(fd, directory)
      await chmodFd(fd, FILE_MODE)
      await writePid(fd)
      return new DirectoryLock(fd, path)
    } catch (error) {
      await closeFd(fd)
      throw error
    }
  }

  /** Whether the lock file's name still means the file that this lock is on; not so if somebody removed or moved it. */
  async isOurs(): Promise<boolean> {
    if (this.#released) return false
    const mine = await fstatFd(this.#fd)
    const named = await lstat(this.#path).catch(() => null)
    return named !== null && named.dev === mine.dev && named.ino === mine.ino
  }

  /**
   * Unlocks, and leaves the file: removing it would let two processes lock two files of one name. The unlocking is
   * explicit since a child that was forked shares the open file, and closing it here alone would not free the lock.
   */
  async release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    await truncateFd(this.#fd, 0).catch(() => undefined) // Only the pid for people would stay.
    try {
      binding().flock(this.#fd, 'unlock')
    } finally {
      await closeFd(this.#fd)
    }
  }
}

/** Not a reason to fail: a server must be able to start on a full disk, and the lock holds without a pid. */
async function writePid(fd: number): Promise<void> {
  await truncateFd(fd, 0).catch(() => undefined)
  await writeText(fd, `${process.pid}\n`).catch(() => undefined)
}

/** The pid in the lock file is for people: the lock itself is the kernel's. */
async function lockedError(fd: number, directory: string): Promise<ForksnapError> {
  const text = (await readAt(fd, 0, PID_BYTES_MAX)).toString('latin1').trim()
  const pid = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined
  const details: ForksnapErrorDetails = { path: directory }
  if (pid !== undefined) details.pid = pid
  const holder =
    pid === undefined ? 'another process' : pid === process.pid ? 'another store of this process' : `process ${pid}`
  return new ForksnapError(
    'ERR_LOCKED',
    `The directory ${directory} is in use by ${holder}; stop it first, or name another directory`,
    details,
  )
}

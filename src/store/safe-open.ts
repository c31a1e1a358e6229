import { constants, type Stats } from 'node:fs'
import { chmod, lstat, mkdir, readdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, ForksnapError, type ForksnapErrorDetails } from '../errors'
import { syncStep } from '../failpoint'
import { chmodFd, closeFd, fstatFd, fsyncFd, openFd } from './descriptor'

export const FILE_MODE = 0o600
export const DIRECTORY_MODE = 0o700
const GROUP_OR_WORLD_WRITABLE = 0o022

const ADVICE: { readonly [errno: string]: string } = {
  ENOSPC: 'free some space or inodes',
  EDQUOT: 'raise the disk quota or free some space',
  EFBIG: 'raise the limit on file sizes (ulimit -f)',
  EACCES: 'give this user the right to write there',
  EPERM: 'give this user the right to write there',
  EROFS: 'the file system is mounted read-only; mount it writable',
  EMFILE: 'raise the limit on open files (ulimit -n)',
  ENFILE: 'raise the system limit on open files',
  ENOENT: 'see whether somebody moved or removed it',
  EIO: 'the device reports errors; check the disk',
}

/** A system error as `ERR_STORE_FAILED` that says what was being done; a ForksnapError passes as it is. */
export function asStoreError(error: unknown, doing: string, path: string): ForksnapError {
  if (error instanceof ForksnapError) return error
  const errno = errnoOf(error)
  const syscall = (error as { syscall?: unknown } | null)?.syscall
  const details: ForksnapErrorDetails = { cause: error, path }
  if (errno !== undefined) details.errno = errno
  if (typeof syscall === 'string') details.syscall = syscall
  const advice = ADVICE[errno ?? ''] ?? 'see the cause'
  const said = error instanceof Error ? error.message : String(error)
  return new ForksnapError('ERR_STORE_FAILED', `Could not ${doing} ${path} (${said}); ${advice}`, details)
}

/**
 * Creates a directory and its missing parents, each 0700 whatever the umask, and makes their entries durable. An empty
 * one counts as new: who made it may have been killed before its entry was durable.
 */
export async function makeDirectory(path: string): Promise<void> {
  await makeWithParents(path, true)
}

async function makeWithParents(path: string, parentsMayBeMissing: boolean): Promise<void> {
  try {
    await mkdir(path, { mode: DIRECTORY_MODE })
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EEXIST') return syncIfNew(path, 0)
    if (errno !== 'ENOENT' || !parentsMayBeMissing || dirname(path) === path) throw error
    await makeWithParents(dirname(path), true)
    // Where nothing can be made, as in /proc, the answer may be ENOENT again.
    await makeWithParents(path, false)
    return
  }
  await chmod(path, DIRECTORY_MODE)
  await syncStep('directory.create.sync', async () => {
    await fsyncDirectory(dirname(path))
    await syncIfNew(dirname(path), 1)
  })
}

/**
 * Syncs the entry of a directory that holds no more than `countMax` names, and those of such ones above it. What cannot
 * be listed is passed over: what is no directory is for others to refuse, and what this user may not read was made by
 * somebody else, who has seen to it.
 */
async function syncIfNew(path: string, countMax: number): Promise<void> {
  const names = await readdir(path).catch(() => null)
  if (names === null || names.length > countMax || dirname(path) === path) return
  try {
    await syncStep('directory.found.sync', () => fsyncDirectory(dirname(path)))
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error
    return
  }
  await syncIfNew(dirname(path), 1)
}

/** Makes the names in a directory durable. */
export async function fsyncDirectory(path: string): Promise<void> {
  const fd = await openFd(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await fsyncFd(fd)
  } finally {
    await closeFd(fd)
  }
}

/** Throws `ERR_UNSAFE_PATH` unless the path is a real directory of this user's that nobody else can write to. */
export async function checkDirectory(path: string): Promise<void> {
  const stats = await lstat(path)
  if (stats.isSymbolicLink()) throw unsafe(path, 'is a symbolic link; name the directory that it points to')
  if (!stats.isDirectory()) throw unsafe(path, 'is not a directory; name another place')
  checkOwnerAndMode(path, stats)
}

/**
 * Opens a regular file without following a symbolic link and without waiting (a FIFO in its place would block).
 * Throws `ERR_UNSAFE_PATH` for a link, another kind of file, a foreign owner or a file that others can write to.
 */
export async function openRegular(path: string, flags: number): Promise<{ fd: number; stats: Stats }> {
  const fd = await openFd(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, FILE_MODE).catch(
    (error: unknown) => {
      if (errnoOf(error) === 'ELOOP') throw unsafe(path, 'is a symbolic link; put the file itself there')
      throw error
    },
  )
  try {
    const stats = await fstatFd(fd)
    if (!stats.isFile()) throw unsafe(path, 'is not a regular file; move it away')
    checkOwnerAndMode(path, stats)
    return { fd, stats }
  } catch (error) {
    await closeFd(fd)
    throw error
  }
}

/** Creates a new file, 0600 whatever the umask, for reading and writing. An existing name of any kind is refused. */
export async function createExclusive(path: string): Promise<number> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const fd = await openFd(path, flags, FILE_MODE)
  try {
    await chmodFd(fd, FILE_MODE)
    return fd
  } catch (error) {
    await closeFd(fd)
    throw error
  }
}

/** Removes a name, which may be gone already. */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error
  })
}

function checkOwnerAndMode(path: string, stats: Stats): void {
  const uid = process.geteuid?.()
  if (uid !== undefined && stats.uid !== uid) {
    throw unsafe(path, `belongs to user ${stats.uid}, this process is user ${uid}; chown it if it is yours`)
  }
  if ((stats.mode & GROUP_OR_WORLD_WRITABLE) !== 0) {
    throw unsafe(path, 'can be written to by group or others; if you trust what is in it, chmod go-w it')
  }
}

function unsafe(path: string, why: string): ForksnapError {
  return new ForksnapError('ERR_UNSAFE_PATH', `${path} ${why}`, { path })
}

import { constants, createReadStream, createWriteStream } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { readSegmentNames } from '../oplog/file-names'
import { startLog } from '../oplog/file-start'
import { closeFd, fsyncFd } from '../store/descriptor'
import { DirectoryLock } from '../store/lock'
import { createExclusive, fsyncDirectory, openRegular } from '../store/safe-open'
import { scanLog } from './log-scan'

export interface Repaired {
  readonly segment: string
  readonly offset: number
  readonly bytes: number
  readonly backup: string
}

/**
 * Cuts a torn tail as the start of a server does, after a durable copy of the segment was made; undefined if there is none.
 * Throws `ERR_LOCKED` if a server owns the log, `ERR_LOG_CORRUPT` or `ERR_LOG_GAP` for damage that is no torn tail.
 */
export async function repairLog(directory: string, backupDirectory: string | undefined): Promise<Repaired | undefined> {
  // A directory that holds no log gets no lock file either.
  if ((await readSegmentNames(directory)).current.length === 0) return undefined
  const lock = await DirectoryLock.acquire(directory)
  try {
    const { segments } = await scanLog(directory, false)
    const bad = segments.find(({ error }) => error !== undefined)
    // Entries that a corrupt segment has lost are not given up by cutting the end.
    if (bad !== undefined) throw bad.error as Error
    const torn = segments.find(({ state }) => state === 'torn tail')
    if (torn === undefined) return undefined
    const backup = await copy(torn.path, backupDirectory ?? dirname(torn.path))
    const { active, start } = await startLog(directory)
    await active.close()
    return { segment: torn.path, offset: torn.soundEnd, bytes: start.cut?.bytes ?? 0, backup }
  } finally {
    await lock.release()
  }
}

async function copy(path: string, directory: string): Promise<string> {
  const stamp = new Date().toISOString().replaceAll(':', '-')
  const target = join(directory, `${basename(path)}.torn-${stamp}`)
  const from = await openRegular(path, constants.O_RDONLY)
  const to = await createExclusive(target)
  try {
    const reading = createReadStream('', { fd: from.fd, autoClose: false })
    await pipeline(reading, createWriteStream('', { fd: to, autoClose: false }))
    await fsyncFd(to)
    await fsyncDirectory(directory)
    return target
  } finally {
    await closeFd(to)
    await closeFd(from.fd)
  }
}

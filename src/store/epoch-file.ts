import { constants } from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { errnoOf, ForksnapError } from '../errors'
import { step, syncStep } from '../failpoint'
import { closeFd, fsyncFd, readAt, writeText } from './descriptor'
import { EPOCH_NAME, INT8_MAX, tempEpochName } from './file-names'
import { createExclusive, openRegular } from './safe-open'

/** The epoch of a store in which `beginEpoch()` was never called. */
export const FIRST_EPOCH = 1n
const EPOCH_BYTES_MAX = 32

/** The epoch in a directory's epoch file; the first one if there is no such file. */
export async function readEpoch(directory: string): Promise<bigint> {
  const path = join(directory, EPOCH_NAME)
  const text = await readSmallFile(path)
  if (text === null) return FIRST_EPOCH
  const epoch = /^[1-9]\d{0,18}\n$/.test(text) ? BigInt(text.trim()) : 0n
  if (epoch < FIRST_EPOCH || epoch > INT8_MAX) {
    const advice = 'write the epoch of the newest slice that is to count into it (the number after "e" in its name)'
    throw new ForksnapError('ERR_STORE_FAILED', `The file ${path} holds no epoch; ${advice}`, { path })
  }
  return epoch
}

/** The one after an epoch. Throws `ERR_STORE_FAILED` after the last one that there can be. */
export function nextEpoch(epoch: bigint): bigint {
  if (epoch < INT8_MAX) return epoch + 1n
  throw new ForksnapError('ERR_STORE_FAILED', 'The epochs are used up; use a new directory')
}

/**
 * Replaces the epoch file: written beside it, synced, renamed. The caller makes the new name durable with a sync of the
 * directory. If this throws, the old epoch stands.
 */
export async function replaceEpoch(directory: string, epoch: bigint): Promise<void> {
  const temp = join(directory, tempEpochName(randomBytes(8).toString('hex')))
  const fd = await createExclusive(temp)
  try {
    await writeText(fd, `${epoch}\n`)
    await syncStep('store.file.epoch.sync', () => fsyncFd(fd))
    await step('store.file.epoch.rename', () => rename(temp, join(directory, EPOCH_NAME)))
  } catch (error) {
    await unlink(temp).catch(() => undefined) // The first error is the one to tell; the next start removes the file.
    throw error
  } finally {
    await closeFd(fd)
  }
}

async function readSmallFile(path: string): Promise<string | null> {
  let fd: number
  try {
    ;({ fd } = await openRegular(path, constants.O_RDONLY))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  }
  try {
    return (await readAt(fd, 0, EPOCH_BYTES_MAX)).toString('latin1')
  } finally {
    await closeFd(fd)
  }
}

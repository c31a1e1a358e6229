import type { Stats } from 'node:fs'
import { lstat, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, ForksnapError } from '../errors'
import { step, syncStep } from '../failpoint'
import { brokenName, compareNewestFirst, isTempName, parseSliceName, sliceIdIn, type SliceKey } from './file-names'
import { fsyncDirectory } from './safe-open'

/** What the names and the inodes of a directory say of its slices; no file is opened here. */
export interface SliceEntry extends SliceKey {
  readonly path: string
  /** False for a symbolic link, a directory or anything else that only has a slice's name. */
  readonly regular: boolean
  readonly bytes: number
  readonly createdAt: Date
}

const BROKEN_NAMES_MAX = 1000

/** Everything that has a published slice's name, newest first. */
export async function readEntries(directory: string): Promise<SliceEntry[]> {
  const entries: SliceEntry[] = []
  for (const name of await readdir(directory)) {
    const key = parseSliceName(name)
    const path = join(directory, name)
    const stats = key === null ? null : await lstatOrNull(path)
    if (key === null || stats === null) continue
    entries.push({ ...key, path, regular: stats.isFile(), bytes: stats.size, createdAt: stats.mtime })
  }
  return entries.sort(compareNewestFirst)
}

/** The highest slice id in any name of the directory, 0n if there is none. */
export async function highestSliceId(directory: string): Promise<bigint> {
  let highest = 0n
  for (const name of await readdir(directory)) {
    const sliceId = sliceIdIn(name) ?? 0n
    if (sliceId > highest) highest = sliceId
  }
  return highest
}

/** Removes what a crash left unfinished: regular files with the names of our temporary files, and nothing else. */
export async function removeStrayTemps(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!isTempName(name)) continue
    const path = join(directory, name)
    if ((await lstatOrNull(path))?.isFile()) await unlink(path)
  }
}

/**
 * Renames a damaged slice so that it is neither listed nor lost; returns the new path. Not if the path has become
 * another file's since it was opened. The caller holds the directory's lock, so no name appears between look and rename.
 */
export async function keepAsBroken(
  directory: string,
  path: string,
  file: { dev: number; ino: number },
): Promise<string> {
  const now = await lstatOrNull(path)
  if (now === null || now.dev !== file.dev || now.ino !== file.ino) return path
  const target = await freeBrokenPath(path)
  await step('store.file.broken.rename', () => rename(path, target))
  await syncStep('store.file.broken.directory-sync', () => fsyncDirectory(directory))
  return target
}

async function freeBrokenPath(path: string): Promise<string> {
  for (let attempt = 1; attempt <= BROKEN_NAMES_MAX; attempt++) {
    const target = brokenName(path, attempt)
    if ((await lstatOrNull(target)) === null) return target
  }
  throw new ForksnapError('ERR_STORE_FAILED', `${path} has too many broken copies; move them elsewhere`, { path })
}

async function lstatOrNull(path: string): Promise<Stats | null> {
  return lstat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  })
}

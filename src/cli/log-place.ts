import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LOCK_NAME } from '../store/file-names'
import { UsageError } from './command'
import { type Place, placeOf } from './place'
import { Problem } from './problem'

export interface LogOptions {
  readonly table?: string
}

/** A log is a directory or a table. */
export async function logPlaceOf(text: string, { table }: LogOptions): Promise<Place> {
  const place = await placeOf(text)
  if (place.kind !== 'postgres' && table !== undefined) throw new UsageError('--table belongs to a postgres:// URL')
  if (place.kind === 'directory' || place.kind === 'postgres') return place
  const what = place.kind === 'file' ? `${text} is a file` : `${text} is standard input`
  throw new UsageError(`${what}; a log is the directory of its segments`)
}

/** The process that says it owns a directory, if it lives: for people, since the lock itself is the kernel's. */
export async function ownerOf(directory: string): Promise<number | undefined> {
  const text = await readFile(join(directory, LOCK_NAME), 'latin1').catch(() => '')
  const pid = Number(/^([1-9]\d{0,9})\n$/.exec(text)?.[1] ?? 0)
  if (pid === 0) return undefined
  try {
    process.kill(pid, 0)
    return pid
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : undefined
  }
}

export function nothingThere(place: Place): Problem {
  return new Problem(`There is no log in ${place.shown}`)
}

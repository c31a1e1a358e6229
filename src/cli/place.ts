import { stat } from 'node:fs/promises'
import { errnoOf } from '../errors'
import { UsageError } from './command'
import { Problem } from './problem'
import { isPostgresUrl, shownUrl } from './secrets'

/** What an argument names: a file, a directory, a database, or with `-` standard input. `shown` holds no secret. */
export interface Place {
  readonly kind: 'file' | 'directory' | 'postgres' | 'stdin'
  readonly path: string
  readonly shown: string
}

const URL_FORM = /^[a-z][a-z0-9+.-]*:\/\//i

/** Throws `UsageError` for a URL that is none of a database, `Problem` for what is not there. */
export async function placeOf(text: string): Promise<Place> {
  if (text === '-') return { kind: 'stdin', path: text, shown: 'standard input' }
  if (isPostgresUrl(text)) return { kind: 'postgres', path: text, shown: shownUrl(text) }
  if (text === '' || URL_FORM.test(text)) {
    throw new UsageError(`${JSON.stringify(text)} is neither a path nor a postgres:// URL`)
  }
  try {
    const stats = await stat(text)
    if (stats.isFile() || stats.isDirectory()) {
      return { kind: stats.isFile() ? 'file' : 'directory', path: text, shown: text }
    }
    if (stats.isFIFO()) throw new Problem(`${text} is a pipe: give it as standard input, and "-" in its place`)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') throw new Problem(`${text} does not exist`)
    if (errno === 'EACCES') throw new Problem(`${text} cannot be reached: this user may not look there`)
    throw error
  }
  throw new Problem(`${text} is neither a file nor a directory`)
}

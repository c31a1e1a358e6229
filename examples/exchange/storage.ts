import { join } from 'node:path'
import {
  FileOperationLog,
  FileStore,
  PostgresOperationLog,
  PostgresStore,
  type FsyncPolicy,
  type OperationLog,
  type SliceStore,
} from 'forksnap'
import { STATE_KINDS, type StateKind } from './engine'

/** Throws a RangeError for what is no place for orders. */
export function checkStateKind(kind: unknown, name: string): StateKind {
  const found = STATE_KINDS.find((one) => one === kind)
  if (found !== undefined) return found
  throw new RangeError(`${name} must be one of ${STATE_KINDS.join(', ')}`)
}

/** `file`, or a `postgres://` URL. */
export type Place = string

export function isPostgres(place: Place): boolean {
  return /^postgres(ql)?:\/\//.test(place)
}

/** Throws a RangeError for what is neither `file` nor a URL of a database. It does not repeat it: it may hold a password. */
export function checkPlace(place: unknown, name: string): Place {
  if (place === 'file' || (typeof place === 'string' && isPostgres(place))) return place
  throw new RangeError(`${name} must be file or the URL of a database, postgres://...`)
}

export function openStore(place: Place, directory: string): SliceStore {
  return isPostgres(place) ? new PostgresStore({ connection: place }) : new FileStore({ directory })
}

export function logDirectory(directory: string): string {
  return join(directory, 'log')
}

/** In PostgreSQL an operation is durable when it is committed, whatever the policy. */
export function openLog(place: Place, directory: string, fsync: FsyncPolicy): OperationLog {
  if (isPostgres(place)) return new PostgresOperationLog({ connection: place })
  return new FileOperationLog({ directory: logDirectory(directory), fsync })
}

/** Where slices or operations are kept, for people: never with a password. */
export function describePlace(place: Place, directory: string): string {
  return isPostgres(place) ? 'tables in PostgreSQL' : `files in ${directory}`
}

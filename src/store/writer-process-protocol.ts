import { ForksnapError, type ForksnapErrorCode, type ForksnapErrorDetails } from '../errors'
import { type PlainConnection, scrub } from '../postgres/connection'
import type { Backend } from '../postgres/session'
import type { SliceTrailer } from '../slice/types'
import type { Layout } from './postgres-layout'
import type { Publication } from './postgres-publish'

/**
 * What parent and writer process say to each other, over a channel of structured clones (bigints and bytes pass). The
 * parent asks, the writer answers each question once; and the writer tells of a slice that failed while it was read.
 */

/** The connection travels with each slice: its password may have changed since the last one. */
export interface BeginRequest {
  readonly connection: PlainConnection
  readonly answerMs: number
  readonly layout: Layout
  readonly publication: Omit<Publication, 'sliceId'>
  /** A folder that is not there: the writer makes it for its FIFO. The parent names it, to remove what a dead writer left. */
  readonly folder: string
  /** Missing: the writer takes the next one and reads from a FIFO. */
  readonly spooled?: { readonly sliceId: bigint; readonly path: string }
}

export interface Begun {
  readonly sliceId: bigint
  /** The connection that will commit. */
  readonly backend: Backend
  /** To be opened for writing; empty for a spooled slice. */
  readonly fifo: string
}

export interface CommitRequest {
  readonly sliceId: bigint
  readonly position: bigint
  readonly trailer: SliceTrailer
}

export interface Methods {
  /** Says that the writer is there. */
  alive(): Promise<void>
  begin(request: BeginRequest): Promise<Begun>
  /** The parent has opened the FIFO: the writer begins to read. */
  opened(sliceId: bigint): Promise<void>
  /** Resolves when the whole stream is in the transaction; rejects with what went wrong. */
  loaded(sliceId: bigint): Promise<{ readonly position: bigint; readonly trailer: SliceTrailer }>
  /** Why the database stopped the reading, if it did; does not wait. */
  failure(sliceId: bigint): Promise<WireError | undefined>
  /** Resolves with the time of the slice's row. */
  commit(request: CommitRequest): Promise<Date>
  /** Rolls back; resolves when nothing of the slice is left. */
  cancel(sliceId: bigint): Promise<void>
}

export type Method = keyof Methods

export interface Question {
  readonly id: number
  readonly method: Method
  readonly argument: unknown
}

export type Answer =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: WireError }

export interface WireError {
  readonly code: ForksnapErrorCode
  readonly message: string
  readonly details: ForksnapErrorDetails
}

const KEPT = ['errno', 'syscall', 'path', 'offset', 'table', 'row', 'column'] as const

/** Passes code, message and known details. The message of an error that is not ours may hold anything, so all are scrubbed. */
export function toWire(error: unknown, secrets: readonly string[]): WireError {
  const clean = (value: unknown): string => scrub(value instanceof Error ? value.message : String(value), secrets)
  if (!(error instanceof ForksnapError)) {
    return { code: 'ERR_STORE_FAILED', message: `The writer process failed: ${clean(error)}`, details: {} }
  }
  const kept = KEPT.map((key) => [key, error[key]] as const).filter(([, value]) => value !== undefined)
  const cause = error.cause instanceof Error ? { cause: clean(error.cause) } : {}
  return { code: error.code, message: clean(error), details: { ...Object.fromEntries(kept), ...cause } }
}

export function fromWire({ code, message, details }: WireError): ForksnapError {
  const { cause, ...fields } = details
  return new ForksnapError(code, message, {
    ...fields,
    ...(typeof cause === 'string' ? { cause: new Error(cause) } : {}),
  })
}

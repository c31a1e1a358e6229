import { isThenable } from './checks'
import { ForksnapError } from './errors'
import type { RecoverOptions } from './recover'
import { throwIfAborted } from './shared-work'
import type { BlobReceiver, JsonValue, ReadValue, RowFields, SliceMeta } from './slice/types'
import { openNewest } from './store/newest'
import type { SliceHandlers, SliceInfo, SliceSource } from './store/store'

/** Takes a row's values in the order of the table's columns. The array is the handler's to keep. */
export type RowHandler = (row: ReadValue[]) => unknown

/** Takes a row's fields, which it decodes as it needs them: see `RowFields`. Valid during the call only. */
export type FieldsHandler = (fields: RowFields) => unknown

/** `(row) => ...` for rows of values; `{ fields: (fields) => ... }` for large tables, whose numbers need no text. */
export interface RestoreHandlers {
  readonly [table: string]:
    | RowHandler
    | {
        /** Called once per row. */
        readonly fields: FieldsHandler
      }
}

/** `(data) => ...` for the whole blob; `{ pieces }` takes it as it is read, as an arena's `receive()` and its tables do. */
export type BlobHandler = ((data: Uint8Array) => unknown) | BlobReceiver

/** The slice that a state was restored from. Times are in milliseconds. */
export interface RecoveredSlice {
  /** Id of the slice. */
  readonly sliceId: bigint
  /** The epoch in which it was written. */
  readonly epoch: bigint
  /** `meta().position`, 0n if it gave none: the replay began with the entry after it. */
  readonly position: bigint
  /** Rows of all its tables. */
  readonly rows: number
  /** Length of its stream. */
  readonly bytes: number
  /** What `meta()` returned at the fork's instant. */
  readonly meta: SliceMeta
  /** What `slice.set` said. */
  readonly values: { readonly [key: string]: JsonValue }
  /** Where it is, for people: a path, a table. */
  readonly location: string
  /** Reading and verifying it, and that of damaged ones before it. */
  readonly verifyMs: number
  /** Reading it once more and restoring from it. */
  readonly ms: number
}

/** A slice that was newer and damaged. */
export interface PassedOver {
  /** Id of the slice. */
  readonly sliceId: bigint
  /** `meta().position`, as far as the store could tell. */
  readonly position: bigint
  /** Where it was; the error's `path` is where it is now. */
  readonly location: string
  /** What is wrong with it: `ERR_SLICE_CORRUPT`. */
  readonly error: ForksnapError
}

/**
 * Restores from the newest good slice. `found` is called with it, or with undefined, before anything is delivered: what
 * it throws keeps everything as it is.
 */
export async function restoreNewest(
  options: RecoverOptions,
  found: (info: SliceInfo | undefined) => unknown,
): Promise<{ readonly slice?: RecoveredSlice; readonly passedOver: readonly PassedOver[] }> {
  const begun = performance.now()
  const passedOver: PassedOver[] = []
  const source = await openNewest(options.store, {
    onBroken: ({ sliceId, position, location }, error) => passedOver.push({ sliceId, position, location, error }),
  })
  try {
    throwIfAborted(options.signal)
    if (source !== null) checkComplete(options, source)
    await found(source?.info)
    if (source === null) return { passedOver }
    const verified = performance.now()
    const { rows, bytes, values } = await source.read(handlersOf(options, source))
    const { sliceId, epoch, position, location } = source.info
    const times = { verifyMs: verified - begun, ms: performance.now() - verified }
    const { meta } = source.header
    return { slice: { sliceId, epoch, position, rows, bytes, meta, values, location, ...times }, passedOver }
  } finally {
    await source?.close()
  }
}

/** A state without one of its tables would be a wrong one, and nobody would notice. */
function checkComplete({ restore, blobs = {} }: RecoverOptions, { info, trailer }: SliceSource): void {
  const missing = (names: readonly { readonly name: string }[], handlers: object): string | undefined =>
    names.find(({ name }) => !Object.hasOwn(handlers, name))?.name
  const table = missing(trailer.tables, restore)
  if (table !== undefined) throw noHandler(info.sliceId, 'table', table, 'restore', { table })
  const blob = missing(trailer.blobs, blobs)
  if (blob !== undefined) throw noHandler(info.sliceId, 'blob', blob, 'blobs')
}

function noHandler(sliceId: bigint, kind: string, name: string, option: string, details = {}): ForksnapError {
  const quoted = JSON.stringify(name)
  const advice = `give it one in ${option}, () => {} if it is to be ignored`
  const message = `Slice ${sliceId} has a ${kind} ${quoted} for which there is no handler; ${advice}`
  return new ForksnapError('ERR_INVALID_ARGUMENT', message, details)
}

function handlersOf(options: RecoverOptions, { info: { sliceId } }: SliceSource): SliceHandlers {
  const { restore, blobs = {}, onProgress, signal } = options
  let current: RowHandler = () => undefined
  return {
    table: (name) => {
      const handler = restore[name]
      if (typeof handler !== 'function') current = () => refuseRow(name)
      else current = firstChecked(name, handler, () => (current = handler))
    },
    fields: (name) => {
      const handler = restore[name]
      if (typeof handler === 'function') return undefined
      const { fields } = handler
      let take: FieldsHandler = firstChecked(name, fields, () => (take = fields))
      return (row) => void take(row)
    },
    row: (_table, values) => void current(values),
    blob: (name, data) => deliverWhole(blobs[name], data),
    pieces: (name, bytes) => {
      const handler = blobs[name]
      return typeof handler === 'object' ? handler.pieces(bytes) : undefined
    },
    progress: (bytes, bytesTotal) => {
      throwIfAborted(signal)
      onProgress?.({ phase: 'slice', sliceId, bytes, bytesTotal })
    },
  }
}

/** The handler of a table with a look at what it returns for the first row: a promise would not be waited for. */
function firstChecked<T>(table: string, handler: (row: T) => unknown, goOn: () => void): (row: T) => void {
  return (row) => {
    goOn()
    if (!isThenable(handler(row))) return
    const message = `The handler of table ${JSON.stringify(table)} returned a promise; rows are restored synchronously`
    throw new ForksnapError('ERR_INVALID_ARGUMENT', message, { table })
  }
}

/** A store of somebody else may not know of pieces. */
function deliverWhole(handler: BlobHandler | undefined, data: Uint8Array): void {
  if (typeof handler !== 'object') return void handler?.(data)
  const sink = handler.pieces(data.length)
  sink.write(data)
  sink.end()
}

/** A store of somebody else may not know of fields. */
function refuseRow(table: string): never {
  const message = `The store delivers no fields, which the handler of ${JSON.stringify(table)} wants: give it (row) => ...`
  throw new ForksnapError('ERR_INVALID_ARGUMENT', message, { table })
}

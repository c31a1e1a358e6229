import type {
  BlobSink,
  Codec,
  Column,
  ReadValue,
  RowFields,
  SliceHeader,
  SliceMeta,
  SliceTrailer,
} from '../slice/types'

/**
 * A store keeps slices. The flow of a slice through it is: `create()` in the parent gives a sink with a descriptor, the
 * child writes the stream into that descriptor, the parent sees the child's clean end and calls `commit()`, and only
 * then is the slice listed. A sink that is cancelled, or whose process dies, leaves nothing that anybody would list.
 */
export interface SliceStore {
  /** Short name for messages: `file`, `postgres`, `command`. */
  readonly kind: string
  /** The epoch in which new slices are written. A reset of the engine begins a new one. */
  readonly epoch: bigint
  /**
   * The epoch of the last reset: slices of earlier ones never count again. Only for a store whose epoch also rises without
   * a reset, with each owner for instance; without it, every new epoch is a reset.
   */
  readonly resetEpoch?: bigint
  /**
   * For a store whose start fences who was there before, as by an epoch of each owner: takes the lock and leaves the
   * epoch alone, so that `close()` gives it back without a trace. `start()` does it too. Idempotent. Throws `ERR_LOCKED`.
   */
  acquire?(): Promise<void>
  /** Takes the lock, removes what a crash left behind. Idempotent. Throws `ERR_LOCKED` if another process owns it. */
  start(): Promise<void>
  /** Prepares the place for one slice. */
  create(): Promise<SliceSink>
  /** Published slices, newest first: ordered by (epoch, position, id), never by a clock. */
  list(): Promise<SliceInfo[]>
  /** Opens a published slice for reading. Throws `ERR_SLICE_NOT_FOUND`, `ERR_SLICE_CORRUPT`, `ERR_SLICE_VERSION`. */
  open(sliceId: bigint): Promise<SliceSource>
  /** Removes a published slice, durably. */
  remove(sliceId: bigint): Promise<void>
  /** Begins a new epoch, durably: slices of older epochs are never the newest again. Returns the new epoch. */
  beginEpoch(): Promise<bigint>
  /**
   * Removes what the retention policy no longer keeps; returns the removed ids. Never removes the newest good slice. One
   * call at a time, but perhaps beside a `create()` or a sink's `commit()` and `cancel()`.
   */
  prune(): Promise<bigint[]>
  /** Releases the lock. Idempotent. */
  close(): Promise<void>
}

export interface SliceSink {
  readonly sliceId: bigint
  /** Descriptor that the child writes to. The parent owns and closes it. */
  readonly fd: number
  /** How the child must write. */
  readonly writing: SliceWriting
  /**
   * The child lives and has its own copy of `fd`. A sink whose reader waits for the end of a pipe closes the parent's copy
   * now, so that the pipe's end is the child's end. Called at most once, before `commit` and `cancel`; must not throw.
   */
  forked?(): void
  /**
   * The child failed with this error: resolves with the one that says why, if whoever reads the other end of `fd` knows
   * better (the child itself only saw EPIPE), else with the same. Called before `cancel`.
   */
  explain?(error: unknown): Promise<unknown>
  /**
   * Publishes the slice. Only after the child's clean end, with what the child reported. Throws `ERR_FENCED` if another
   * owner has taken over for good, `ERR_EPOCH_CHANGED` if this one has begun a new epoch meanwhile.
   */
  commit(result: { meta: SliceMeta; trailer: SliceTrailer }): Promise<SliceInfo>
  /** Removes every trace. Idempotent, and harmless after `commit`. */
  cancel(): Promise<void>
}

export interface SliceWriting {
  readonly codec: Codec
  /** Have the disk begin with the data after this many bytes, so that the last fsync is short; 0 = never. */
  readonly syncEveryBytes: number
  /** A first column that the child writes with the same value in every row (`slice_id`). */
  readonly constantColumn?: { readonly name: string; readonly type: 'int8'; readonly value: bigint }
}

export interface SliceInfo {
  readonly sliceId: bigint
  readonly epoch: bigint
  /** From `meta().position`; 0n where the user gives none. */
  readonly position: bigint
  readonly rows: number
  readonly bytes: number
  readonly createdAt: Date
  readonly meta: SliceMeta
  /** Where it is, for people: a path, a table. */
  readonly location: string
}

/** Called in the order of the stream. A table's rows come only after their checksum has been verified. */
export interface SliceHandlers {
  header?(header: SliceHeader): void
  table?(name: string, columns: readonly Column[]): void
  /** Asked after `table`: a function that it returns takes the rows of this table in place of `row`. See `RowFields`. */
  fields?(table: string, columns: readonly Column[]): ((fields: RowFields) => void) | undefined
  /** One call per row. The array is the callee's to keep. */
  row?(table: string, values: ReadValue[]): void
  tableEnd?(name: string, rows: number): void
  blob?(name: string, data: Uint8Array): void
  /**
   * Asked when a blob begins: what is to take it piece by piece, so that it is never in memory a second time. Undefined:
   * `blob` gets the whole of it.
   */
  pieces?(name: string, bytes: number): BlobSink | undefined
  progress?(bytesRead: number, bytesTotal: number): void
}

export interface SliceSource {
  readonly info: SliceInfo
  readonly header: SliceHeader
  /** The trailer, read and checked without reading the rows. */
  readonly trailer: SliceTrailer
  /** Reads the whole slice through the handlers, yielding to the event loop; resolves with the verified trailer. */
  read(handlers: SliceHandlers): Promise<SliceTrailer>
  /** Reads everything and checks every checksum without decoding a row. */
  verify(): Promise<SliceTrailer>
  close(): Promise<void>
}

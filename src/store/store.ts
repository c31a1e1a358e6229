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
 *
 * Beside what is said of each method, all of them may reject with `ERR_STORE_FAILED`, and those that change something
 * with `ERR_INVALID_STATE` before `start()` and with `ERR_FENCED` once another owner has taken over.
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
  /** Removes a published slice, durably. Throws `ERR_SLICE_NOT_FOUND`. */
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

/** The place for one slice, from `create()` to `commit()` or `cancel()`. */
export interface SliceSink {
  /** Id that the slice will have. */
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

/** How a child writes the stream that a sink is to get. */
export interface SliceWriting {
  /** How frames are compressed. */
  readonly codec: Codec
  /** Have the disk begin with the data after this many bytes, so that the last fsync is short; 0 = never. */
  readonly syncEveryBytes: number
  /** A first column that the child writes with the same value in every row (`slice_id`). */
  readonly constantColumn?: {
    /** Its name. */
    readonly name: string
    /** Its type. */
    readonly type: 'int8'
    /** The value of every row. */
    readonly value: bigint
  }
}

/** A published slice, as `list()` tells of it. */
export interface SliceInfo {
  /** Id of the slice. Ids rise within a store. */
  readonly sliceId: bigint
  /** The epoch in which it was written. */
  readonly epoch: bigint
  /** From `meta().position`; 0n where the user gives none. */
  readonly position: bigint
  /** Rows of all its tables. 0 where the slice is damaged. */
  readonly rows: number
  /** Length of the slice's stream. */
  readonly bytes: number
  /** When it was made, by the clock: for retention by age, never for the order. */
  readonly createdAt: Date
  /** What `meta()` returned at the fork's instant. */
  readonly meta: SliceMeta
  /** Where it is, for people: a path, a table. */
  readonly location: string
}

/** Called in the order of the stream. A table's rows come only after their checksum has been verified. */
export interface SliceHandlers {
  /** The first frame, once. */
  header?(header: SliceHeader): void
  /** A table begins. */
  table?(name: string, columns: readonly Column[]): void
  /** Asked after `table`: a function that it returns takes the rows of this table in place of `row`. See `RowFields`. */
  fields?(table: string, columns: readonly Column[]): ((fields: RowFields) => void) | undefined
  /** One call per row. The array is the callee's to keep. */
  row?(table: string, values: ReadValue[]): void
  /** A table has ended, after so many rows. */
  tableEnd?(name: string, rows: number): void
  /** A whole blob, verified. */
  blob?(name: string, data: Uint8Array): void
  /**
   * Asked when a blob begins: what is to take it piece by piece, so that it is never in memory a second time. Undefined:
   * `blob` gets the whole of it.
   */
  pieces?(name: string, bytes: number): BlobSink | undefined
  /** How far the reading is, in bytes as the store counts them: `bytesTotal` is the slice's `info.bytes`. */
  progress?(bytesRead: number, bytesTotal: number): void
}

/** A published slice that is open for reading. */
export interface SliceSource {
  /** What `list()` tells of it. */
  readonly info: SliceInfo
  /** The first frame, read and checked. */
  readonly header: SliceHeader
  /** The trailer, read and checked without reading the rows. */
  readonly trailer: SliceTrailer
  /**
   * Reads the whole slice through the handlers, yielding to the event loop; resolves with the verified trailer. Throws
   * `ERR_SLICE_CORRUPT`, `ERR_STORE_FAILED`, and what a handler throws.
   */
  read(handlers: SliceHandlers): Promise<SliceTrailer>
  /** Reads everything and checks every checksum without decoding a row. Throws `ERR_SLICE_CORRUPT`, `ERR_STORE_FAILED`. */
  verify(): Promise<SliceTrailer>
  /** Lets go of whatever it has open. Idempotent. */
  close(): Promise<void>
}

/** The types that slices, their writers, readers and stores share. The byte format is in `format.ts`. */

/** What JSON can hold; `meta` and the trailer's values are limited to it (bigints are refused: use a string). */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/**
 * A column's type, by its PostgreSQL name. `numeric` alone holds up to 131,072 digits before and 16,383 after the
 * point; `numeric(p,s)` declares precision and scale; `varchar(n)` counts characters (code points).
 */
export type ColumnType =
  | 'bool'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'float4'
  | 'float8'
  | 'text'
  | `varchar(${number})`
  | 'numeric'
  | `numeric(${number},${number})`
  | 'timestamp'
  | 'timestamptz'
  | 'date'
  | 'bytea'
  | 'json'
  | 'jsonb'
  | 'uuid'

/** `as: 'number'` (int8 only) reads back as a number, checked against the safe range, instead of a bigint. */
export interface ColumnOptions {
  /** What int8 reads back as. Default `bigint`. */
  readonly as?: 'number' | 'bigint'
}

/** A column of a table: its name, of 1 to 63 bytes of UTF-8, its type, and how it reads back. */
export type Column = readonly [name: string, type: ColumnType, options?: ColumnOptions]

/** What a writer accepts for a column. Dates are given as `Date` or as text in ISO form. */
export type WriteValue<T extends ColumnType> = T extends 'bool'
  ? boolean | null
  : T extends 'int2' | 'int4' | 'float4' | 'float8'
    ? number | null
    : T extends 'int8'
      ? bigint | number | null
      : T extends 'numeric' | `numeric(${string}`
        ? string | bigint | number | null
        : T extends 'timestamp' | 'timestamptz' | 'date'
          ? Date | string | null
          : T extends 'bytea'
            ? Uint8Array | null
            : T extends 'json' | 'jsonb'
              ? JsonValue
              : string | null

/** The arguments of `row()` for a list of columns, as a tuple. */
export type RowValues<C extends readonly Column[]> = {
  -readonly [K in keyof C]: C[K] extends Column ? WriteValue<C[K][1]> : never
}

/** What a reader returns for a value: int8 as bigint (or number, see `ColumnOptions`), numeric and dates as text. */
export type ReadValue = bigint | Uint8Array | JsonValue

/**
 * A row whose fields are decoded one by one, when they are asked for: numbers come straight from the bytes, without the
 * text or bigint that a row of values holds in between, which makes restoring several times as fast. Columns are counted
 * from 0. The object is the reader's and shows the next row once the handler has returned; what the getters give is the
 * caller's to keep.
 *
 * A field that its type does not allow is damage of the slice and ends the reading as it does with values; one that
 * nobody asks for is not looked at, as in `verify()`. Every getter but `isNull` and `value` throws `ERR_INVALID_VALUE`
 * for NULL and for a value that it cannot give exactly, and `ERR_INVALID_ARGUMENT` for a column of another type.
 */
export interface RowFields {
  /** How many columns there are. */
  readonly length: number
  /** Whether the field is NULL. */
  isNull(column: number): boolean
  /** int2, int4, int8: a number in the safe range, whatever the column's `as` says. */
  integer(column: number): number
  /**
   * numeric: how many units of 10^-digits it is, a whole number in the safe range: `1.50` with 4 digits is 15000.
   * `digits` is 0 to 22. More decimal places than that are allowed if they are zeros.
   */
  units(column: number, digits: number): number
  /**
   * timestamp (taken as UTC), timestamptz, date: whole milliseconds since 1970; Infinity and -Infinity for `infinity` and
   * `-infinity`.
   */
  ms(column: number): number
  /** bool: true or false. */
  bool(column: number): boolean
  /** Columns that read back as text. A text that is the row's before is the same string, not a copy. */
  text(column: number): string
  /** Any column: the same value as in a row of values. */
  value(column: number): ReadValue
}

/** Writes the rows of one table of a slice. Made by `slice.table()`, in the child. */
export interface TableWriter<C extends readonly Column[]> {
  /** The table's name in the slice. */
  readonly name: string
  /**
   * Writes one row. Throws `ERR_INVALID_VALUE`, naming table, row and column, for what the column cannot hold.
   * Opening another table or a blob seals this one.
   */
  row(...values: RowValues<C>): void
  /**
   * Writes a row for each item. Prefer it to a loop of your own: the warm-up before the first fork can then leave
   * this table early and go on to the next one.
   */
  rows<T>(items: Iterable<T>, toRow: (item: T) => RowValues<C>): void
}

/** The bytes of a blob: an ArrayBuffer or a view of one, or a list of these, which are written one after the other. */
export type BlobData = ArrayBufferLike | ArrayBufferView | readonly (ArrayBufferLike | ArrayBufferView)[]

/** How a blob is written. */
export interface BlobOptions {
  /**
   * For memory of an `Arena`: the child gives its pages back once they are written, so that the parent need not copy them any
   * more when it writes to them. In the child these bytes are zeros after that, so `write` must have no use for them any
   * more. Only whole pages, huge ones in an arena of huge pages, are given back. Without effect on other memory and in the
   * parent, that is in the warm-up. Default false.
   */
  readonly giveBack?: boolean
}

/** Takes a blob piece by piece, as it is read. What these throw ends the reading and passes through. */
export interface BlobSink {
  /** The next bytes, verified, valid during the call only. */
  write(piece: Uint8Array): void
  /** All of them have come. */
  end(): void
}

/** What takes a blob piece by piece, such as an arena's `receive()` and its tables. */
export interface BlobReceiver {
  /** Told how many bytes the blob has, when it begins. Returns what takes them. */
  readonly pieces: (bytes: number) => BlobSink
}

/**
 * What `write(slice)` gets in the child. Every method throws `ERR_INVALID_STATE` once the slice could not be written.
 */
export interface SliceWriter {
  /**
   * Begins a table of 1 to 1,600 columns. Names are 1 to 63 bytes of UTF-8; each table is opened once, and a slice has
   * 10,000 tables at most. Throws `ERR_INVALID_VALUE`.
   */
  table<const C extends readonly Column[]>(name: string, columns: C): TableWriter<C>
  /**
   * Writes bytes under a name, straight from where they are: they are copied only to be compressed. Names as for tables;
   * a slice has 10,000 blobs at most. Throws `ERR_INVALID_VALUE`.
   */
  blob(name: string, data: BlobData, options?: BlobOptions): void
  /**
   * Sets a value of the trailer, where readers find it without reading the rows. A function is called for it at once, but
   * never in the warm-up: give one for a value that takes long to compute, such as a digest of the whole state. All
   * values together have at most 1 MiB of JSON. Throws `ERR_INVALID_VALUE`.
   */
  set(key: string, value: JsonValue | (() => JsonValue)): void
}

/**
 * How the frames of a slice are compressed. `zstd` needs Node 22.15, 23.8 or newer: `ERR_UNSUPPORTED_PLATFORM`
 * elsewhere.
 */
export type Codec = 'none' | 'gzip' | 'zstd'

/** What the trailer of a slice says of a table. */
export interface TableSummary {
  /** The table's name in the slice. */
  readonly name: string
  /** Rows of the table. */
  readonly rows: number
}

/** What the trailer of a slice says of a blob. */
export interface BlobSummary {
  /** The blob's name in the slice. */
  readonly name: string
  /** Length of the blob, before compression. */
  readonly bytes: number
}

/** First frame of a slice: who it is and what the parent knew at the fork. */
export interface SliceHeader {
  /** Version of the byte format, 1 so far. */
  readonly formatVersion: number
  /** Id of the slice, as its store gave it. */
  readonly sliceId: bigint
  /** What `meta()` returned in the parent at the fork's instant; bigints in it are kept exactly. */
  readonly meta: SliceMeta
  /** How the frames that follow are compressed. */
  readonly codec: Codec
}

/** Last frame of a slice. */
export interface SliceTrailer {
  /** Rows of all tables together. */
  readonly rows: number
  /** The tables, in the order in which they were written. */
  readonly tables: readonly TableSummary[]
  /** The blobs, in the order in which they were written. */
  readonly blobs: readonly BlobSummary[]
  /** What `slice.set` said. */
  readonly values: { readonly [key: string]: JsonValue }
  /** Length of the stream in bytes, this trailer included. */
  readonly bytes: number
  /** Checksum over the whole stream before the trailer, as eight hexadecimal digits. */
  readonly checksum: string
}

/** `position` is where replay of the operation log starts, 0n to 2^63 - 1; other keys are the user's. */
export interface SliceMeta {
  /** Id of the last operation that the state holds: replay starts with the one after it. */
  readonly position?: bigint | undefined
  readonly [key: string]: JsonValue | bigint | undefined
}

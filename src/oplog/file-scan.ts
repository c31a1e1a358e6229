import { fstatFd, readInto } from '../store/descriptor'
import { decodeBody } from './file-decode'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  type BatchHeader,
  epochSeed,
  parseBatchHeader,
  SEGMENT_HEADER_BYTES,
} from './file-format'
import type { LogEntry } from './oplog'

const WINDOW_BYTES = 1024 * 1024

/** What stands at a place of a segment. Offsets count from its first byte. */
export type Found =
  | { readonly kind: 'batch'; readonly header: BatchHeader; readonly entries: LogEntry[] }
  | { readonly kind: 'end' }
  /** `at` is the offset of the batch header or the entry that is damaged, cut short or in the wrong place. */
  | { readonly kind: 'damage'; readonly at: number }
  /** `at` is the offset of an entry whose checksum is right and which holds no JSON. Only where entries are decoded. */
  | { readonly kind: 'unreadable'; readonly at: number }

export interface ScanStart {
  readonly fd: number
  readonly epoch: bigint
  readonly firstId: bigint
  /** CRC of the segment's header. */
  readonly seed: number
}

/** Reads the batches of a segment one after the other; it holds one window, or one batch if that is larger. */
export class SegmentScanner {
  /** Where the next batch begins: all before it is sound. */
  offset = SEGMENT_HEADER_BYTES
  /** Id of the next entry. */
  nextId: bigint
  /** The highest durable offset that a batch so far has recorded. */
  durableOffset = 0
  readonly #fd: number
  readonly #seed: number
  readonly #epochSeed: number
  #buffer: Buffer = Buffer.alloc(0)
  /** Bytes of the file from `#start` on. */
  #window: Buffer = Buffer.alloc(0)
  #start = 0

  constructor({ fd, epoch, firstId, seed }: ScanStart) {
    this.#fd = fd
    this.#seed = seed
    this.#epochSeed = epochSeed(epoch)
    this.nextId = firstId
  }

  /** The next batch, its entries decoded if `decode` says so; goes past it if it is sound and stays where it is if not. */
  async next(decode: boolean): Promise<Found> {
    const head = await this.#view(this.offset, BATCH_HEADER_BYTES)
    if (head.length === 0) return { kind: 'end' }
    const header = parseBatchHeader(head, 0, this.#seed)
    if (header === undefined || header.firstId !== this.nextId || header.durableOffset > this.offset) {
      return { kind: 'damage', at: this.offset }
    }
    const bodyOffset = this.offset + BATCH_HEADER_BYTES
    const body = await this.#view(bodyOffset, header.bodyBytes)
    const { entries, damagedAt, unreadableAt } = decodeBody(body, header, this.#epochSeed, decode)
    if (damagedAt !== undefined) return { kind: 'damage', at: bodyOffset + damagedAt }
    if (unreadableAt !== undefined) return { kind: 'unreadable', at: bodyOffset + unreadableAt }
    this.offset = bodyOffset + header.bodyBytes
    this.nextId += BigInt(header.entries)
    this.durableOffset = Math.max(this.durableOffset, header.durableOffset)
    return { kind: 'batch', header, entries }
  }

  /**
   * The highest durable offset in any sound batch header after `offset`, whatever lies between. Damage may hide where
   * the next batch begins, so every place is tried.
   */
  async durableOffsetAfterDamage(): Promise<number> {
    let highest = this.durableOffset
    let at = this.offset + 1
    for (;;) {
      const window = await this.#view(at, WINDOW_BYTES)
      if (window.length < BATCH_HEADER_BYTES) return highest
      highest = Math.max(highest, this.#highestIn(window, at))
      at += window.length - BATCH_HEADER_BYTES + 1
    }
  }

  /** Forgets what was read, since the file may have changed. */
  refresh(): void {
    this.#window = this.#window.subarray(0, 0)
  }

  #highestIn(window: Buffer, at: number): number {
    let highest = 0
    for (let found = window.indexOf(BATCH_MAGIC); found !== -1; found = window.indexOf(BATCH_MAGIC, found + 1)) {
      const durable = parseBatchHeader(window, found, this.#seed)?.durableOffset ?? 0
      if (durable <= at + found) highest = Math.max(highest, durable)
    }
    return highest
  }

  /** Up to `length` bytes at an offset, fewer only where the file ends; valid until the next call. */
  async #view(offset: number, length: number): Promise<Buffer> {
    const from = offset - this.#start
    if (from < 0 || from + length > this.#window.length) {
      const wanted = Math.max(WINDOW_BYTES, await this.#available(offset, length))
      if (this.#buffer.length < wanted || this.#buffer.length > 4 * WINDOW_BYTES) {
        this.#buffer = Buffer.allocUnsafeSlow(wanted)
      }
      this.#start = offset
      this.#window = await readInto(this.#fd, this.#buffer.subarray(0, wanted), offset)
      return this.#window.subarray(0, length)
    }
    return this.#window.subarray(from, from + length)
  }

  /** How many of these bytes the file has, so that nothing is allocated for a length that is not true. */
  async #available(offset: number, length: number): Promise<number> {
    if (length <= WINDOW_BYTES) return length
    const { size } = await fstatFd(this.#fd)
    return Math.min(length, Math.max(0, size - offset))
  }
}

/** What the look at the last segment of a log has found. */
export interface TailFacts {
  /** Where the first damage begins, which is the end of the last sound batch. */
  readonly soundEnd: number
  /** Bytes of the file. */
  readonly size: number
  /** The highest durable offset recorded in the segment, also behind the damage. */
  readonly durableOffset: number
}

export type Verdict = 'clean' | 'torn tail' | 'corrupt'

/**
 * Whether a segment may go on. What had been synced and is damaged now is corruption. What had not been synced is a tail
 * that a crash tore, even if sound batches follow it: the disk may write them in any order.
 */
export function judgeTail({ soundEnd, size, durableOffset }: TailFacts): Verdict {
  if (soundEnd === size) return 'clean'
  return durableOffset > soundEnd ? 'corrupt' : 'torn tail'
}

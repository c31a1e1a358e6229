import {
  BATCH_BODY_BYTES_MAX,
  BATCH_HEADER_BYTES,
  ENTRY_HEADER_BYTES,
  sealEntry,
  writeBatchHeader,
} from './file-format'
import type { EncodedOperation } from './operation'
import type { Group } from './pending'

const BATCH_BYTES = BATCH_HEADER_BYTES + BATCH_BODY_BYTES_MAX
/** Buffers that are kept for later batches: 4 MiB. */
const SPARE_BUFFERS_MAX = 16

/** A batch that gathers entries in its final form, behind the room for its header. */
export interface Batch {
  buffer: Buffer
  /** End of the entries so far. */
  end: number
}

export function entryBytes(operation: EncodedOperation): number {
  return ENTRY_HEADER_BYTES + operation.bytes
}

/** Encodes an entry once, into the buffer from which it is written. `seed` is what its CRC begins with. */
export function addEntry(batch: Batch, operation: EncodedOperation, seed: number): void {
  const { time, method, params, bytes } = operation
  const at = batch.end
  const end = at + ENTRY_HEADER_BYTES + bytes
  // A single entry that is larger than a batch has one to itself.
  if (end > batch.buffer.length) batch.buffer = Buffer.allocUnsafeSlow(end)
  const { buffer } = batch
  const text = at + ENTRY_HEADER_BYTES
  // One byte per UTF-16 unit means ASCII, for which there is a faster way.
  const encoding = bytes === method.length + params.length ? 'latin1' : 'utf8'
  const methodBytes = buffer.write(method, text, encoding)
  buffer.write(params, text + methodBytes, encoding)
  sealEntry(buffer, at, end, time, methodBytes, seed)
  batch.end = end
}

/** Fills in the header and gives the bytes to write. */
export function sealBatch({ batch, entries, firstId }: Group<Batch>, durableOffset: number, seed: number): Buffer {
  const bodyBytes = batch.end - BATCH_HEADER_BYTES
  writeBatchHeader(batch.buffer, { bodyBytes, entries, firstId, durableOffset }, seed)
  return batch.buffer.subarray(0, batch.end)
}

/** A batch without entries, which says that all before it is durable. */
export function durableMark(nextId: bigint, durableOffset: number, seed: number): Buffer {
  const bytes = Buffer.alloc(BATCH_HEADER_BYTES)
  writeBatchHeader(bytes, { bodyBytes: 0, entries: 0, firstId: nextId, durableOffset }, seed)
  return bytes
}

/** Buffers of batches, used again once they are written: new memory for each would have to be cleared by the system. */
export class BatchPool {
  readonly #spare: Buffer[] = []

  take(): Batch {
    return { buffer: this.#spare.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES), end: BATCH_HEADER_BYTES }
  }

  giveBack({ buffer }: Batch): void {
    if (buffer.length === BATCH_BYTES && this.#spare.length < SPARE_BUFFERS_MAX) this.#spare.push(buffer)
  }
}

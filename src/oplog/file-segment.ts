import { randomBytes } from 'node:crypto'
import { fdatasync, writev as writevCallback } from 'node:fs'
import { rename } from 'node:fs/promises'
import { promisify } from 'node:util'
import { step, syncStep } from '../failpoint'
import { closeFd } from '../store/descriptor'
import { createExclusive, fsyncDirectory, removeFile } from '../store/safe-open'
import { encodeSegmentHeader, parseSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from './file-format'
import { segmentPath, type SegmentName, temporaryPath } from './file-names'

export const fdatasyncFd = promisify(fdatasync)
const writev = promisify(writevCallback)

/** The segment that is written to. Offsets count from the file's first byte. */
export class ActiveSegment implements SegmentName {
  readonly epoch: bigint
  readonly firstId: bigint
  readonly path: string
  readonly fd: number
  /** CRC of the header, from which those of the batches continue. */
  readonly seed: number
  /** End of what was written whole. */
  writtenOffset: number
  /** End of what was synced. */
  durableOffset: number

  constructor(name: SegmentName, file: { fd: number; seed: number; size: number }) {
    this.epoch = name.epoch
    this.firstId = name.firstId
    this.path = name.path
    this.fd = file.fd
    this.seed = file.seed
    this.writtenOffset = file.size
    this.durableOffset = file.size
  }

  /**
   * A new segment, durable with its name: written under another name, synced, renamed, the directory synced. So a
   * segment never has half a header, and a damaged header is damage.
   */
  static async create(
    directory: string,
    ids: { epoch: bigint; firstId: bigint; previousFirstId: bigint },
  ): Promise<ActiveSegment> {
    const path = segmentPath(directory, ids.epoch, ids.firstId)
    const temporary = temporaryPath(directory, randomBytes(8).toString('hex'))
    const header = encodeSegmentHeader({ ...ids, salt: randomBytes(8).readBigUInt64LE() })
    const fd = await createExclusive(temporary)
    try {
      await writeAll(fd, [header], 0)
      await syncStep('oplog.file.segment.sync', () => fdatasyncFd(fd))
      await step('oplog.file.segment.rename', () => rename(temporary, path))
      await syncStep('oplog.file.segment.directory-sync', () => fsyncDirectory(directory))
    } catch (error) {
      await closeFd(fd).catch(() => undefined) // The first error is the one to tell.
      await removeFile(temporary).catch(() => undefined) // The next start removes it.
      throw error
    }
    const parsed = parseSegmentHeader(header) as SegmentHeader & { seed: number }
    return new ActiveSegment({ ...ids, path }, { fd, seed: parsed.seed, size: SEGMENT_HEADER_BYTES })
  }

  /** Appends buffers in one call, as far as the system takes them at once. */
  async write(buffers: Buffer[]): Promise<void> {
    await step('oplog.file.write', async () => {
      this.writtenOffset = await writeAll(this.fd, buffers, this.writtenOffset)
    })
  }

  close(): Promise<void> {
    return closeFd(this.fd)
  }
}

/** Writes all buffers, one after the other, at an offset; returns the offset behind them. */
export async function writeAll(fd: number, buffers: Buffer[], offset: number): Promise<number> {
  let rest = buffers
  let at = offset
  while (rest.length > 0) {
    const { bytesWritten } = await writev(fd, rest, at)
    if (bytesWritten === 0) throw new Error('the system wrote nothing')
    at += bytesWritten
    rest = withoutFirst(rest, bytesWritten)
  }
  return at
}

function withoutFirst(buffers: Buffer[], bytes: number): Buffer[] {
  let left = bytes
  let index = 0
  for (; index < buffers.length; index++) {
    const length = buffers[index]?.length ?? 0
    if (length > left) break
    left -= length
  }
  const [first, ...others] = buffers.slice(index)
  return first === undefined ? [] : [first.subarray(left), ...others]
}

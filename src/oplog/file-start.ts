import { constants } from 'node:fs'
import { step, syncStep } from '../failpoint'
import { closeFd, fstatFd, fsyncFd, readAt, truncateFd } from '../store/descriptor'
import { fsyncDirectory, openRegular, removeFile } from '../store/safe-open'
import { ForksnapError } from '../errors'
import { corrupt, gap } from './file-errors'
import { parseSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from './file-format'
import { readSegmentNames, type SegmentName } from './file-names'
import { judgeTail, SegmentScanner } from './file-scan'
import { ActiveSegment, writeAll } from './file-segment'
import type { LogStart } from './oplog'

const COPY_BYTES = 1024 * 1024

export interface StartedLog {
  /** Every segment but the active one, oldest first. */
  readonly closed: SegmentName[]
  readonly active: ActiveSegment
  readonly start: LogStart
  /** Id of the last entry; for an empty log the one before its first. */
  readonly lastId: bigint
}

/**
 * Finds the end of the log in a directory whose lock is held, and makes it durable; begins a log where there is none.
 * Nothing is removed or cut before all that can be checked without reading older segments is.
 */
export async function startLog(directory: string): Promise<StartedLog> {
  const { current, ended, temporary } = await readSegmentNames(directory)
  for (const path of temporary) await removeFile(path)
  const last = current.at(-1)
  if (last === undefined) {
    const active = await ActiveSegment.create(directory, { epoch: 1n, firstId: 1n, previousFirstId: 0n })
    return { closed: [], active, start: { firstId: 0n, lastId: 0n }, lastId: 0n }
  }
  await checkChain(current)
  const { active, lastId, cut } = await openLast(last)
  // Who began the last segment may have been killed before its name was durable, and entries are to be added to it.
  await syncStep('oplog.file.start.directory-sync', () => fsyncDirectory(directory))
  for (const { path } of ended) await step('oplog.file.reset.unlink', () => removeFile(path))
  const firstId = current[0]?.firstId ?? 0n
  const ends = lastId < firstId ? { firstId: 0n, lastId: 0n } : { firstId, lastId }
  return { closed: current.slice(0, -1), active, start: cut === undefined ? ends : { ...ends, cut }, lastId }
}

/** Each segment names the one before it, so that a missing one is noticed. The oldest one's may have been pruned. */
async function checkChain(segments: readonly SegmentName[]): Promise<void> {
  let previous: SegmentName | undefined
  for (const segment of segments) {
    const { fd, header } = await openSegment(segment, constants.O_RDONLY)
    await closeFd(fd)
    if (previous !== undefined && header.previousFirstId !== previous.firstId) {
      const missing = `The segment that begins with entry ${header.previousFirstId} is missing before ${segment.path}`
      throw gap(segment.path, missing)
    }
    previous = segment
  }
}

/** Opens a segment and checks its header against its name. */
export async function openSegment(
  { path, epoch, firstId }: SegmentName,
  flags: number,
): Promise<{ fd: number; header: SegmentHeader & { seed: number } }> {
  const { fd } = await openRegular(path, flags)
  try {
    const header = parseSegmentHeader(await readAt(fd, 0, SEGMENT_HEADER_BYTES))
    if ('problem' in header) {
      if (header.problem === 'damaged') throw corrupt(path, 0, 'the header of the segment is damaged')
      const message = `The segment ${path} was written by another version of the format; read it with that version`
      throw new ForksnapError('ERR_LOG_CORRUPT', message, { path, offset: 8 })
    }
    if (header.epoch !== epoch || header.firstId !== firstId) {
      const holds = `it holds the entries from ${header.firstId} of epoch ${header.epoch}`
      throw corrupt(path, 0, `the name of the segment does not fit its header: ${holds}`)
    }
    return { fd, header }
  } catch (error) {
    await closeFd(fd)
    throw error
  }
}

async function openLast(name: SegmentName) {
  const { fd, header } = await openSegment(name, constants.O_RDWR)
  try {
    const scanner = new SegmentScanner({ ...header, fd })
    const { size } = await fstatFd(fd)
    const torn = await findTear(scanner, size, name.path)
    if (torn) await step('oplog.file.cut.truncate', () => truncateFd(fd, scanner.offset))
    await makeDurable(fd, Math.max(scanner.durableOffset, SEGMENT_HEADER_BYTES), scanner.offset)
    const active = new ActiveSegment(name, { fd, seed: header.seed, size: scanner.offset })
    const cut = { segment: name.path, offset: scanner.offset, bytes: size - scanner.offset }
    return { active, lastId: scanner.nextId - 1n, cut: torn ? cut : undefined }
  } catch (error) {
    await closeFd(fd)
    throw error
  }
}

/** Goes to the end of what is sound; whether a torn tail follows. Throws `ERR_LOG_CORRUPT` for damage that is none. */
async function findTear(scanner: SegmentScanner, size: number, path: string): Promise<boolean> {
  for (;;) {
    const found = await scanner.next(false)
    if (found.kind === 'batch') continue
    const damaged = found.kind === 'damage'
    const durableOffset = damaged ? await scanner.durableOffsetAfterDamage() : scanner.durableOffset
    const verdict = judgeTail({ soundEnd: scanner.offset, size, durableOffset })
    if (verdict === 'corrupt') {
      const at = damaged ? found.at : scanner.offset
      throw corrupt(path, at, `all up to byte ${durableOffset} had been synced`)
    }
    return verdict === 'torn tail'
  }
}

/**
 * What a crashed process wrote and did not sync is read from memory now, and after a failed sync the system may take it
 * for clean although the disk has none of it. So what is not known to be durable is written once more, the same bytes in
 * the same place, before it is synced.
 */
async function makeDurable(fd: number, from: number, end: number): Promise<void> {
  for (let at = from; at < end; at += COPY_BYTES) {
    await writeAll(fd, [await readAt(fd, at, Math.min(COPY_BYTES, end - at))], at)
  }
  await syncStep('oplog.file.start.sync', () => fsyncFd(fd))
}

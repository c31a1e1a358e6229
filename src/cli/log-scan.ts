import { constants } from 'node:fs'
import { isForksnapError } from '../errors'
import { corrupt, gap } from '../oplog/file-errors'
import { readSegmentNames, type SegmentName } from '../oplog/file-names'
import { judgeTail, SegmentScanner } from '../oplog/file-scan'
import { openSegment } from '../oplog/file-start'
import { closeFd, fstatFd } from '../store/descriptor'

/** `gap`: entries are missing before it. */
export type SegmentState = 'ok' | 'torn tail' | 'corrupt' | 'gap' | 'not read'

export interface SegmentReport {
  readonly path: string
  readonly epoch: bigint
  readonly firstId: bigint
  /** Of the last sound entry; the one before `firstId` if there is none. */
  readonly lastId: bigint
  readonly bytes: number
  /** Where what is sound ends. */
  readonly soundEnd: number
  readonly state: SegmentState
  readonly error?: unknown
}

export interface LogReport {
  /** Of the present epoch, oldest first. */
  readonly segments: readonly SegmentReport[]
  /** Segments of epochs that a reset has ended, which the next start removes. */
  readonly ended: number
}

export type OnBytes = (done: number, total: number) => void

/**
 * Reads the segments of a log without its lock: all of each, or with `quick` only the last one. A server that writes meanwhile
 * may make the end look torn.
 */
export async function scanLog(
  directory: string,
  quick: boolean,
  onBytes: OnBytes = () => undefined,
): Promise<LogReport> {
  const { current, ended } = await readSegmentNames(directory)
  const segments: SegmentReport[] = []
  const total = await sizeOf(current)
  let done = 0
  for (const [index, name] of current.entries()) {
    const following = current.at(index + 1)
    const read = !quick || following === undefined
    const report = await scanSegment(name, following, segments.at(-1), read, (offset) => onBytes(done + offset, total))
    done += report.bytes
    segments.push(report)
  }
  return { segments, ended: ended.length }
}

async function sizeOf(names: readonly SegmentName[]): Promise<number> {
  let total = 0
  for (const name of names) {
    const opened = await openSegment(name, constants.O_RDONLY).catch(() => undefined) // Told when it is read.
    if (opened === undefined) continue
    total += (await fstatFd(opened.fd)).size
    await closeFd(opened.fd)
  }
  return total
}

async function scanSegment(
  name: SegmentName,
  following: SegmentName | undefined,
  before: SegmentReport | undefined,
  read: boolean,
  onOffset: (offset: number) => void,
): Promise<SegmentReport> {
  const { path, epoch, firstId } = name
  const unread = { path, epoch, firstId, lastId: firstId - 1n, bytes: 0, soundEnd: 0 }
  let opened: Awaited<ReturnType<typeof openSegment>>
  try {
    opened = await openSegment(name, constants.O_RDONLY)
  } catch (error) {
    if (!isForksnapError(error, 'ERR_LOG_CORRUPT')) throw error
    return { ...unread, state: 'corrupt', error }
  }
  const { fd, header } = opened
  try {
    const bytes = (await fstatFd(fd)).size
    const missing = gapBefore(name, header.previousFirstId, before)
    if (missing !== undefined) return { ...unread, bytes, state: 'gap', error: missing }
    if (!read && following !== undefined) return { ...unread, lastId: following.firstId - 1n, bytes, state: 'not read' }
    const scanner = new SegmentScanner({ ...header, fd })
    const ends = await findEnd(scanner, bytes, path, following === undefined, onOffset)
    return { ...unread, bytes, lastId: scanner.nextId - 1n, soundEnd: scanner.offset, ...ends }
  } finally {
    await closeFd(fd)
  }
}

/** What is missing between a segment and the one before it, of which a damaged one cannot tell where it ends. */
function gapBefore(name: SegmentName, previousFirstId: bigint, before: SegmentReport | undefined): unknown {
  if (before === undefined || before.state === 'corrupt' || before.state === 'gap') return undefined
  if (previousFirstId !== before.firstId) {
    return gap(name.path, `The segment that begins with entry ${previousFirstId} is missing before ${name.path}`)
  }
  if (before.state === 'not read' || name.firstId === before.lastId + 1n) return undefined
  return gap(name.path, `${before.path} ends with entry ${before.lastId}, and ${name.path} begins with ${name.firstId}`)
}

async function findEnd(
  scanner: SegmentScanner,
  size: number,
  path: string,
  last: boolean,
  onOffset: (offset: number) => void,
): Promise<{ readonly state: SegmentState; readonly error?: unknown }> {
  for (;;) {
    const found = await scanner.next(false)
    onOffset(scanner.offset)
    if (found.kind === 'batch') continue
    const damaged = found.kind === 'damage'
    const afterwards = damaged ? await scanner.durableOffsetAfterDamage() : scanner.durableOffset
    // Before another segment was begun, all of this one had been synced.
    const durableOffset = last ? afterwards : Infinity
    // A server that goes on writing has perhaps made it longer since it was looked at.
    const end = damaged ? size : scanner.offset
    const verdict = judgeTail({ soundEnd: scanner.offset, size: end, durableOffset })
    if (verdict === 'clean') return { state: 'ok' }
    if (verdict === 'torn tail') return { state: 'torn tail' }
    return {
      state: 'corrupt',
      error: corrupt(path, damaged ? found.at : scanner.offset, 'these bytes had been synced'),
    }
  }
}

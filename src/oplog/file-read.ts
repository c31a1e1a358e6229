import { constants } from 'node:fs'
import { errnoOf, ForksnapError } from '../errors'
import { closeFd } from '../store/descriptor'
import { corrupt, gap } from './file-errors'
import { readSegmentNames, type SegmentName } from './file-names'
import { SegmentScanner } from './file-scan'
import { openSegment } from './file-start'
import type { LogEntry } from './oplog'

export interface ReadOptions {
  readonly directory: string
  readonly position: bigint
  /**
   * Id up to which the log may be read, for its owner, who knows; asked again each time. Others have none: they read up
   * to where sound batches end, which beside a writing owner may be in the middle of one.
   */
  readonly limit?: () => bigint
}

interface OpenSegment {
  readonly name: SegmentName
  readonly fd: number
  readonly scanner: SegmentScanner
}

/**
 * The entries after a position, batch by batch. It needs neither lock nor addon and holds one window of a segment. An
 * owner may append, begin new segments and prune meanwhile: every surprise is looked at a second time.
 */
export async function* readEntries({ directory, position, limit }: ReadOptions): AsyncGenerator<LogEntry[], void> {
  const first = await findSegment(directory, position)
  if (first === undefined) return
  let open = await openForReading(first)
  try {
    for (let looks = 0; ;) {
      const { name, scanner } = open
      if (limit !== undefined && scanner.nextId > limit()) return await checkNotOverlapped(directory, open)
      const wanted = scanner.nextId > position
      const found = await scanner.next(true)
      if (found.kind === 'batch') {
        looks = 0
        const entries = within(found.entries, wanted ? undefined : position, limit?.())
        if (entries.length > 0) yield entries
        continue
      }
      if (found.kind === 'unreadable') {
        throw corrupt(name.path, found.at, 'the checksum of the entry is right, but it holds no JSON')
      }
      const following = await findFollowing(directory, name)
      if (following === undefined && limit === undefined && found.kind === 'end') return checkReached(open, position)
      if (found.kind === 'end' && following?.firstId === scanner.nextId) {
        const next = await openForReading(following)
        await closeFd(open.fd)
        open = next
        continue
      }
      // Whatever this is, it may have been overtaken by a write or a new segment since it was read.
      if (looks++ === 0) {
        const durableOffset = following === undefined ? await scanner.durableOffsetAfterDamage() : Infinity
        const torn = durableOffset <= scanner.offset && limit === undefined
        if (torn) return checkReached(open, position)
        scanner.refresh()
        continue
      }
      if (found.kind === 'damage') throw corrupt(name.path, found.at, 'these bytes had been synced')
      const next = following === undefined ? 'nothing' : `entry ${following.firstId}`
      throw gap(name.path, `The log has ${next} after entry ${scanner.nextId - 1n}, at the end of ${name.path}`)
    }
  } finally {
    await closeFd(open.fd)
  }
}

async function openForReading(name: SegmentName): Promise<OpenSegment> {
  const { fd, header } = await openSegment(name, constants.O_RDONLY).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') throw gap(name.path, `The segment ${name.path} was removed while it was read`)
    throw error
  })
  return { name, fd, scanner: new SegmentScanner({ ...header, fd }) }
}

/** The segment that holds the entry after a position; undefined if there is no log at all. */
async function findSegment(directory: string, position: bigint): Promise<SegmentName | undefined> {
  const { current } = await readSegmentNames(directory)
  const [oldest] = current
  if (oldest === undefined) {
    if (position === 0n) return undefined
    throw new ForksnapError(
      'ERR_LOG_GAP',
      `There is no log in ${directory}, so nothing is known after entry ${position}`,
    )
  }
  if (oldest.firstId > position + 1n) {
    const missing = `entries ${position + 1n} to ${oldest.firstId - 1n} are missing`
    throw gap(oldest.path, `The log begins with entry ${oldest.firstId}: ${missing}`)
  }
  return current.findLast((segment) => segment.firstId <= position + 1n)
}

async function findFollowing(directory: string, name: SegmentName): Promise<SegmentName | undefined> {
  const { current } = await readSegmentNames(directory)
  if (current.some(({ epoch }) => epoch !== name.epoch)) {
    throw gap(name.path, 'The log was reset while it was read')
  }
  return current.find((segment) => segment.firstId > name.firstId)
}

/** Whoever knows where the log ends could get there in a segment whose last entries are those of the next one, too. */
async function checkNotOverlapped(directory: string, { name, scanner }: OpenSegment): Promise<void> {
  const { current } = await readSegmentNames(directory)
  const sameEpoch = current.filter(({ epoch }) => epoch === name.epoch)
  const following = sameEpoch.find(({ firstId }) => firstId > name.firstId && firstId < scanner.nextId)
  if (following === undefined) return
  throw gap(name.path, `The log has entry ${following.firstId} in ${name.path} and in ${following.path}`)
}

function within(entries: LogEntry[], after: bigint | undefined, last: bigint | undefined): LogEntry[] {
  if (after === undefined && (last === undefined || (entries.at(-1)?.id ?? 0n) <= last)) return entries
  return entries.filter(({ id }) => (after === undefined || id > after) && (last === undefined || id <= last))
}

function checkReached({ name, scanner }: OpenSegment, position: bigint): void {
  if (scanner.nextId > position) return
  throw gap(name.path, `The log ends with entry ${scanner.nextId - 1n}, before position ${position}`)
}

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The names of files in a log's directory:
 *
 *   lock                          held with flock by the process that owns the log
 *   e<epoch>-i<first id>.oplog    a segment; its first entry, once there is one, has this id
 *   tmp-oplog-<random>            a segment that has no name yet
 *
 * Numbers have 19 digits, so that sorting names sorts segments. Only the segments of the highest epoch count: a reset
 * begins the next one, and removes the others afterwards.
 */
const SEGMENT_NAME = /^e(\d{19})-i(\d{19})\.oplog$/
const TEMP_NAME = /^tmp-oplog-[0-9a-f]{16}$/
const DIGITS = 19

export interface SegmentName {
  readonly epoch: bigint
  readonly firstId: bigint
  readonly path: string
}

export interface SegmentNames {
  /** Segments of the highest epoch, oldest first. */
  readonly current: readonly SegmentName[]
  /** Segments of older epochs. */
  readonly ended: readonly SegmentName[]
  /** Paths of segments without a name. */
  readonly temporary: readonly string[]
}

export function segmentPath(directory: string, epoch: bigint, firstId: bigint): string {
  return join(directory, `e${digits(epoch)}-i${digits(firstId)}.oplog`)
}

export function temporaryPath(directory: string, random: string): string {
  return join(directory, `tmp-oplog-${random}`)
}

/** Every other name is left alone. */
export async function readSegmentNames(directory: string): Promise<SegmentNames> {
  const names = (await readdir(directory)).sort()
  const segments = names.flatMap((name) => parse(directory, name))
  const epoch = segments.at(-1)?.epoch
  return {
    current: segments.filter((segment) => segment.epoch === epoch),
    ended: segments.filter((segment) => segment.epoch !== epoch),
    temporary: names.filter((name) => TEMP_NAME.test(name)).map((name) => join(directory, name)),
  }
}

function parse(directory: string, name: string): SegmentName[] {
  const [, epoch, firstId] = SEGMENT_NAME.exec(name) ?? []
  if (epoch === undefined || firstId === undefined) return []
  return [{ epoch: BigInt(epoch), firstId: BigInt(firstId), path: join(directory, name) }]
}

function digits(value: bigint): string {
  return value.toString().padStart(DIGITS, '0')
}

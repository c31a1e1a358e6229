import { ForksnapError } from '../errors'

/**
 * The names of files in a FileStore's directory:
 *
 *   lock                                     held with flock by the process that owns the directory
 *   epoch                                    the current epoch, in decimal digits
 *   e<epoch>-p<position>-i<id>.slice         a published slice
 *   e<epoch>-p<position>-i<id>.slice.broken  a damaged slice, kept aside (`.broken-2` and so on if that name is taken)
 *   tmp-slice-<id>-<random>                  a slice that is being written
 *   tmp-epoch-<random>                       an epoch file that is being written
 *
 * Numbers have a fixed width of 19 digits (what PostgreSQL's int8 holds), so that sorting names sorts slices.
 */

/** Largest epoch, position and slice id: 2^63 - 1, in every store alike. */
export const INT8_MAX = 2n ** 63n - 1n

const DIGITS = 19
const SLICE_NAME = /^e(\d{19})-p(\d{19})-i(\d{19})\.slice$/
const BROKEN_NAME = /^(e\d{19}-p\d{19}-i\d{19}\.slice)\.broken(-\d+)?$/
const TEMP_SLICE_NAME = /^tmp-slice-(\d{19})-[0-9a-f]{16}$/
const TEMP_EPOCH_NAME = /^tmp-epoch-[0-9a-f]{16}$/

export const LOCK_NAME = 'lock'
export const EPOCH_NAME = 'epoch'

/** What orders slices: newest is the highest (epoch, position, id). */
export interface SliceKey {
  readonly epoch: bigint
  readonly position: bigint
  readonly sliceId: bigint
}

export function sliceName(key: SliceKey): string {
  return `e${digits(key.epoch)}-p${digits(key.position)}-i${digits(key.sliceId)}.slice`
}

/** The key that a published slice's name carries, or null for any other name. */
export function parseSliceName(name: string): SliceKey | null {
  const match = SLICE_NAME.exec(name)
  if (match === null) return null
  const [epoch, position, sliceId] = match.slice(1).map(BigInt) as [bigint, bigint, bigint]
  const inRange = epoch <= INT8_MAX && position <= INT8_MAX && sliceId <= INT8_MAX
  return inRange ? { epoch, position, sliceId } : null
}

/** The name under which a damaged slice is kept aside; `attempt` counts from 1. */
export function brokenName(name: string, attempt: number): string {
  return attempt === 1 ? `${name}.broken` : `${name}.broken-${attempt}`
}

export function tempSliceName(sliceId: bigint, random: string): string {
  return `tmp-slice-${digits(sliceId)}-${random}`
}

export function tempEpochName(random: string): string {
  return `tmp-epoch-${random}`
}

export function isTempName(name: string): boolean {
  return TEMP_SLICE_NAME.test(name) || TEMP_EPOCH_NAME.test(name)
}

/** The slice id in any name of ours, published, broken or temporary: an id that was seen is never given again. */
export function sliceIdIn(name: string): bigint | null {
  const published = BROKEN_NAME.exec(name)?.[1] ?? name
  const temporary = TEMP_SLICE_NAME.exec(name)?.[1]
  return parseSliceName(published)?.sliceId ?? (temporary === undefined ? null : BigInt(temporary))
}

/** Sorts newest first. */
export function compareNewestFirst(a: SliceKey, b: SliceKey): number {
  return descending(a.epoch, b.epoch) || descending(a.position, b.position) || descending(a.sliceId, b.sliceId)
}

function descending(a: bigint, b: bigint): number {
  return a === b ? 0 : a > b ? -1 : 1
}

function digits(value: bigint): string {
  if (value < 0n || value > INT8_MAX) {
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `${value} is out of range; give a bigint from 0 to 2^63 - 1`)
  }
  return value.toString().padStart(DIGITS, '0')
}

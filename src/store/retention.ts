import { ForksnapError } from '../errors'

/**
 * What `prune()` keeps. A slice is removed when it is beyond `count` **or** older than `maxAgeMs`: each limit that is
 * given holds for itself. Whatever they say, the newest good slice stays.
 */
export interface KeepPolicy {
  /** Keep this many of the newest slices, 1 or more. Without it their number is not limited. */
  readonly count?: number
  /** Keep slices up to this age in milliseconds, above 0, by the file's time of last change. Without it: any age. */
  readonly maxAgeMs?: number
}

export interface Aged {
  readonly sliceId: bigint
  readonly createdAt: Date
}

/**
 * The slices that the policy no longer keeps, in the order given.
 * `newestFirst` are the published slices; `newestGoodId` is the newest of them whose checksums are known to be right.
 */
export function slicesToRemove<T extends Aged>(
  newestFirst: readonly T[],
  policy: KeepPolicy,
  newestGoodId: bigint,
  nowMs: number,
): T[] {
  const countMax = policy.count ?? Infinity
  const ageMaxMs = policy.maxAgeMs ?? Infinity
  return newestFirst.filter((slice, index) => {
    if (slice.sliceId === newestGoodId) return false
    return index >= countMax || nowMs - slice.createdAt.getTime() > ageMaxMs
  })
}

/** Throws `ERR_INVALID_ARGUMENT` for a policy out of its ranges. */
export function checkKeepPolicy(policy: KeepPolicy): void {
  const { count, maxAgeMs } = policy
  if (count !== undefined && (!Number.isSafeInteger(count) || count < 1)) {
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `keep.count is ${count}; give a whole number from 1`)
  }
  if (maxAgeMs !== undefined && !(Number.isFinite(maxAgeMs) && maxAgeMs > 0)) {
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `keep.maxAgeMs is ${maxAgeMs}; give milliseconds above 0`)
  }
}

import { ForksnapError } from '../errors'
import type { SliceMeta } from '../slice/types'
import { INT8_MAX } from './file-names'

/** What every sink looks at before it publishes. */

/** `meta().position`, 0n if there is none. Throws `ERR_INVALID_ARGUMENT`. */
export function checkPosition(meta: SliceMeta): bigint {
  const position: unknown = meta.position ?? 0n
  if (typeof position === 'bigint' && position >= 0n && position <= INT8_MAX) return position
  throw new ForksnapError('ERR_INVALID_ARGUMENT', 'meta.position must be a bigint from 0n to 2n ** 63n - 1n')
}

/** The error of a sink that is committed once more. */
export function usedBefore(sliceId: bigint): ForksnapError {
  const message = `Slice ${sliceId} was committed or cancelled before; create() a new sink for each slice`
  return new ForksnapError('ERR_INVALID_STATE', message)
}

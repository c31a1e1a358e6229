import { isThenable, show } from './checks'
import { ForksnapError } from './errors'
import { jsonProblem } from './slice/json'
import type { SliceMeta } from './slice/types'
import { INT8_MAX } from './store/file-names'

function call<M>(meta: () => M): M {
  try {
    return meta()
  } catch (cause) {
    throw new ForksnapError('ERR_INVALID_VALUE', `meta() threw: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
}

function invalid(problem: string): ForksnapError {
  return new ForksnapError('ERR_INVALID_VALUE', problem)
}

/**
 * Calls `meta` in the tick of the fork and copies what it returned: the engine may go on changing it, while log, store
 * and child must see the same. Throws `ERR_INVALID_VALUE` for what a slice cannot hold, and for a position before
 * `newest`, that of the newest slice: the new one would be older than it by order, and retention would take it.
 */
export function checkedMeta<M extends SliceMeta>(meta: () => M, newest: bigint): M {
  const value: unknown = call(meta)
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isThenable(value)) {
    throw invalid(`meta() must return a plain object at once; it returned ${show(value)}`)
  }
  const defined = Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined))
  const problem = jsonProblem(defined, { bigint: true })
  if (problem !== undefined) throw invalid(`What meta() returned ${problem}`)
  const copy = structuredClone(defined) as M
  const position: unknown = copy.position
  if (position !== undefined && (typeof position !== 'bigint' || position < 0n || position > INT8_MAX)) {
    throw invalid(`meta().position must be a bigint from 0n to 2n ** 63n - 1n; it is ${show(position)}`)
  }
  if ((position ?? 0n) < newest) {
    throw invalid(
      `meta().position has gone back: it is ${show(position ?? 0n)}, the newest slice has ${newest}. Restore the newest ` +
        'slice before you save, or call reset() if the state begins anew',
    )
  }
  return copy
}

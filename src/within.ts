import { ForksnapError } from './errors'
import { orAborted } from './shared-work'

/**
 * Waits for a promise, but no longer than `ms` milliseconds (0 = without a limit), then rejects with `ERR_TIMEOUT`; with
 * `ERR_ABORTED` as soon as the signal is given. What was begun may still end some day: whoever needs to know of that
 * keeps the promise.
 */
export async function within<T>(promise: Promise<T>, ms: number, what: string, signal?: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const give = () => reject(new ForksnapError('ERR_TIMEOUT', `${what} did not end within ${ms} ms`))
    if (ms > 0) timer = setTimeout(give, ms)
  })
  try {
    const first = Promise.race([promise, late])
    return await (signal === undefined ? first : orAborted(first, signal))
  } finally {
    clearTimeout(timer)
  }
}

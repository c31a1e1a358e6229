import type { ForksnapError } from '../../src/errors'

/** What the call throws, which it has to. */
export function failure(call: () => unknown): ForksnapError {
  try {
    call()
  } catch (error) {
    return error as ForksnapError
  }
  throw new Error('it did not throw')
}

import { binding } from './binding'
import { prepareBareChild, refuseInChild } from './child'
import { ForksnapError } from './errors'
import { forkFailed } from './fork-failed'
import { bareChildBegan } from './huge-pages'
import { nativeOptions } from './native-fork-options'
import { assertSupported } from './platform'
import { isQuiescing } from './quiesce'

/** How long a bare fork() waits, itself blocked, for the other threads. Longer could deadlock. */
const BARE_WAIT_MS = 5

/**
 * POSIX `fork()`: 0 in the child, the child's pid in the parent. Low level and synchronous: it scans the process's mappings
 * on the spot (some 40 ms per GB) and waits a few milliseconds at most for the other threads, else throws
 * `ERR_NOT_QUIESCENT`, as it does while `forkChild` or a Snapshotter is about to fork. Inside a microtask (after an
 * `await`, in a promise's callback) it throws `ERR_INVALID_STATE`, since other requests' continuations would follow in
 * the child; call it from a timer or `setImmediate`, or use `forkChild`. So it does where `node:domain` is loaded, which
 * takes all that is thrown for itself. It throws `ERR_UNSUPPORTED_PLATFORM` and `ERR_FORK_FAILED` as `forkChild` does.
 *
 * The child keeps descriptors 0, 1 and 2. Its code runs to the end of the current callback; returning to the event
 * loop ends it with exit code 70 and a message. `process.exit()` in it is `_exit`.
 */
export function fork(): number {
  assertSupported()
  const native = binding()
  refuseInChild()
  if (native.isInMicrotask()) {
    throw new ForksnapError(
      'ERR_INVALID_STATE',
      'fork() was called inside a microtask (after an await, in a promise callback, or at the top level of an ES module): ' +
        "the child would run other code's continuations. Call it from setImmediate(), or use forkChild().",
    )
  }
  if (isQuiescing()) {
    throw new ForksnapError(
      'ERR_NOT_QUIESCENT',
      'A snapshot is about to fork and has parked the other threads; nothing was forked. Try again in a later turn.',
    )
  }
  const enterChild = prepareBareChild()
  const result = native.forkBare(nativeOptions([], {}, true), BARE_WAIT_MS)
  if (result.pid === 0) {
    enterChild()
    return 0
  }
  if (result.errno !== '') throw forkFailed(result.errno, result.syscall)
  if (result.pid < 0) {
    throw new ForksnapError(
      'ERR_NOT_QUIESCENT',
      `The other threads of the process did not come to rest within ${BARE_WAIT_MS} ms; nothing was forked. ` +
        'Try again in a later turn of the event loop, or use forkChild(), which can wait.',
    )
  }
  bareChildBegan(result.pid)
  return result.pid
}

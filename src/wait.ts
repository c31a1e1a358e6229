import os from 'node:os'
import { binding, type NativeWaitStatus } from './binding'
import { errnoOf, ForksnapError } from './errors'
import { assertSupported } from './platform'

/** How a child ended. */
export interface WaitStatus {
  /** Process id of the child. */
  readonly pid: number
  /** Whether it ended by itself; then `exitCode` is 0 to 255, else -1. */
  readonly exited: boolean
  /** 0 to 255 if it ended by itself, else -1. */
  readonly exitCode: number
  /** Name of the signal that ended it, such as `SIGKILL`, or null. */
  readonly signal: NodeJS.Signals | null
  /** Whether it left a core dump. */
  readonly coreDumped: boolean
}

/** Option of `waitpid`: do not wait, return null while the child runs. The system's own value. */
export const WNOHANG = 1

// Some numbers have two names (SIGABRT and SIGIOT): the first one listed is the one that Node.js itself says.
const signalNames = new Map<number, NodeJS.Signals>(
  Object.entries(os.constants.signals)
    .reverse()
    .map(([name, number]) => [number, name as NodeJS.Signals]),
)

function toWaitStatus(status: NativeWaitStatus): WaitStatus {
  return {
    pid: status.pid,
    exited: status.exited,
    exitCode: status.exitCode,
    signal: status.signaled ? (signalNames.get(status.signal) ?? (`SIG${status.signal}` as NodeJS.Signals)) : null,
    coreDumped: status.coreDumped,
  }
}

/** `waitpid` without the platform check, for those who have forked already. Throws the system's error as it is. */
export function waitpidRaw(pid: number, options: number): WaitStatus | null {
  const status = binding().waitpid(pid, options)
  return status === null ? null : toWaitStatus(status)
}

/**
 * POSIX `waitpid` for a child of this process. With `WNOHANG` it returns null while the child runs; without it the whole
 * process waits. Only positive pids: waiting for "any child" would steal the exit status of `child_process` children.
 * Throws `ERR_INVALID_ARGUMENT`, or `ERR_CHILD_STATUS_UNKNOWN` with `errno: 'ECHILD'` if there is no such child (any more).
 */
export function waitpid(pid: number, options = 0): WaitStatus | null {
  assertSupported()
  if (!Number.isInteger(pid) || pid <= 0 || pid > 0x7fffffff) {
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `waitpid: pid must be a positive whole number, not ${pid}.`)
  }
  if (options !== 0 && options !== WNOHANG) {
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `waitpid: options must be 0 or WNOHANG, not ${options}.`)
  }
  try {
    return waitpidRaw(pid, options)
  } catch (cause) {
    const errno = errnoOf(cause)
    throw new ForksnapError(
      'ERR_CHILD_STATUS_UNKNOWN',
      `waitpid(${pid}) failed with ${errno}: it is no child of this process, or somebody else has already waited for it.`,
      { cause, pid, syscall: 'waitpid', ...(errno === undefined ? {} : { errno }) },
    )
  }
}

import { errnoOf, ForksnapError, isForksnapError } from './errors'

const advice: Readonly<Record<string, string>> = {
  EAGAIN: 'A limit on processes was reached (RLIMIT_NPROC, or pids.max of the cgroup): raise it or end processes.',
  ENOMEM: 'The kernel would not promise the memory: set vm.overcommit_memory to 1, or give the machine more memory.',
}

/** The error for a system call without which there is no fork: `fork` itself, or one on the way to it. */
export function forkFailed(errno: string, syscall: string, cause?: unknown): ForksnapError {
  return new ForksnapError(
    'ERR_FORK_FAILED',
    `${syscall}() failed with ${errno}; the process goes on unharmed. ${advice[errno] ?? ''}`.trim(),
    { cause, errno, syscall },
  )
}

/** What the addon threw on the way to a fork: in our own form if a call to the system failed, anything else as it is. */
export function asForkFailed(error: unknown): unknown {
  const errno = errnoOf(error)
  const syscall = (error as { readonly syscall?: unknown } | null)?.syscall
  if (isForksnapError(error) || errno === undefined || typeof syscall !== 'string') return error
  return forkFailed(errno, syscall, error)
}

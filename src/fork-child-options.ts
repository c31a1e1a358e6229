import { fstatSync } from 'node:fs'
import * as check from './checks'
import { TIMER_MS_MAX } from './checks'
import { checkChildOptions } from './child-options'
import type { ChildOptions, ForkInfo, ForkJob, ForkLimits, Progress } from './fork-job'

/**
 * How `forkChild` forks and looks after its child. Anything out of its range throws `ERR_INVALID_ARGUMENT`. Times are
 * in milliseconds, 0 to 2^31 - 1.
 */
export interface ForkChildOptions {
  /** Aborting kills the child, or gives up before the fork, and rejects with `ERR_ABORTED`. */
  readonly signal?: AbortSignal
  /** Default 5,000 ms. */
  readonly quiesceMs?: number
  /** Kill the child if it has not called `child.progress()` for this long; default 0 = no limit. */
  readonly stallMs?: number
  /** Kill the child if it runs for longer; default 3,600,000 ms (an hour), 0 = no limit. */
  readonly totalMs?: number
  /** Put full collections off while the child lives, for so many milliseconds at most; default 60,000, 0 = not at all. */
  readonly deferFullGcMs?: number
  /** How the child is set up. */
  readonly child?: ChildOptions
  /** Descriptors that the child keeps beside stderr. */
  readonly keepFds?: readonly number[]
  /** Called in the parent once the child lives. */
  readonly onForked?: (info: ForkInfo) => void
  /** Called in the parent about every `progressMs` while the child lives, with totals so far. */
  readonly onProgress?: (progress: Progress) => void
  /** Milliseconds between calls of `onProgress`, from 1; default 100. */
  readonly progressMs?: number
}

const DEFAULTS: ForkLimits = { quiesceMs: 5000, stallMs: 0, totalMs: 3_600_000 }
const FD_MAX = 2 ** 31 - 1
const LIMITS = ['quiesceMs', 'stallMs', 'totalMs'] as const
const KEYS: readonly (keyof ForkChildOptions)[] = [
  ...LIMITS,
  'signal',
  'deferFullGcMs',
  'child',
  'keepFds',
  'onForked',
  'onProgress',
  'progressMs',
]

/** The child could not tell a descriptor that was never open from one that it was to keep. */
function checkOpen(name: string, fd: number): void {
  check.checkWhole(name, fd, 0, FD_MAX)
  try {
    fstatSync(fd)
  } catch {
    throw check.invalidArgument(name, 'an open descriptor', fd)
  }
}

/** Checks every option and splits the limits off. Throws `ERR_INVALID_ARGUMENT`, naming the option and its range. */
export function resolveForkChildOptions(
  options: ForkChildOptions,
): Pick<
  ForkJob<undefined, unknown>,
  'signal' | 'child' | 'deferFullGcMs' | 'keepFds' | 'onForked' | 'onProgress' | 'progressMs' | 'limits'
> {
  check.checkOptions('forkChild: options', options, KEYS)
  const { quiesceMs = DEFAULTS.quiesceMs, stallMs = DEFAULTS.stallMs, totalMs = DEFAULTS.totalMs, ...rest } = options
  const limits = { quiesceMs, stallMs, totalMs }
  for (const name of LIMITS) check.checkNumber(`forkChild: ${name}`, limits[name], 0, TIMER_MS_MAX)
  const { signal, child, deferFullGcMs, keepFds, progressMs } = rest
  check.checkSignal('forkChild: signal', signal)
  if (child !== undefined) checkChildOptions('forkChild: child', child)
  if (deferFullGcMs !== undefined) check.checkWhole('forkChild: deferFullGcMs', deferFullGcMs, 0, TIMER_MS_MAX)
  if (progressMs !== undefined) check.checkWhole('forkChild: progressMs', progressMs, 1, TIMER_MS_MAX)
  if (keepFds !== undefined && !Array.isArray(keepFds)) {
    throw check.invalidArgument('forkChild: keepFds', 'a list of descriptors', keepFds)
  }
  keepFds?.forEach((fd: number, index) => checkOpen(`forkChild: keepFds[${index}]`, fd))
  for (const name of ['onForked', 'onProgress'] as const) {
    if (rest[name] !== undefined) check.checkFunction(`forkChild: ${name}`, rest[name])
  }
  return { ...rest, limits }
}

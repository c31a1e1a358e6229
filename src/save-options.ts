import { checkBoolean, checkOptions, checkSignal, invalidArgument } from './checks'

/** How `save()` is to go about it. */
export interface SaveOptions {
  /** Ends this caller's wait with `ERR_ABORTED`; the child is killed once nobody waits for it any more. */
  readonly signal?: AbortSignal
  /**
   * What to do while a snapshot is running. `true` (default): share its result, whose state may be older than this
   * call. `'next'`: the state as of this call or later, so wait if the child has been forked, and take a fresh one,
   * which all such callers share (Redis's `BGSAVE SCHEDULE`). `false`: reject with `ERR_SNAPSHOT_IN_PROGRESS`.
   */
  readonly join?: boolean | 'next'
}

/** How a Snapshotter is closed. */
export interface CloseOptions {
  /** Take a last snapshot of the state as it is now. Default false. */
  readonly save?: boolean
  /** Kills whatever snapshot is running or would still begin, and closes at once. */
  readonly signal?: AbortSignal
}

/** With the defaults filled in. Throws `ERR_INVALID_ARGUMENT`, as `resolveCloseOptions` does. */
export function resolveSaveOptions(options: SaveOptions) {
  checkOptions('options', options, ['signal', 'join'])
  const { signal, join = true } = options
  checkSignal('signal', signal)
  if (typeof join !== 'boolean' && join !== 'next') throw invalidArgument('join', "true, false or 'next'", join)
  return { signal, join }
}

export function resolveCloseOptions(options: CloseOptions) {
  checkOptions('options', options, ['save', 'signal'])
  const { save = false, signal } = options
  checkBoolean('save', save)
  checkSignal('signal', signal)
  return { save, signal }
}

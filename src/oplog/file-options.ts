import { resolve } from 'node:path'
import * as check from '../checks'

/**
 * When `durable` resolves. `always`: once the entry is synced; it survives a power cut. `everysec`: once it is written,
 * so that it survives the end of the process; it is synced within about a second. `no`: the same without that sync.
 * `sync()`, and so the publication of a slice, forces a sync whatever the policy.
 */
export type FsyncPolicy = 'always' | 'everysec' | 'no'

/** Where a log in files is, and its bounds. */
export interface FileOperationLogOptions {
  /** Where the segments are. Created, with missing parents, by `start()`; one directory belongs to one log. */
  readonly directory: string
  /** Default `always`. */
  readonly fsync?: FsyncPolicy
  /** A segment that has reached so many bytes is followed by a new one, from 4,096. Default 64 MiB. */
  readonly segmentBytes?: number
  /** Entries that wait to become durable at most, from 1, before `append` throws `ERR_LOG_FULL`. Default 1,000,000. */
  readonly maxPendingEntries?: number
  /** Bytes that wait at most, from 1; the entry that reaches the bound may go beyond it. Default 64 MiB. */
  readonly maxPendingBytes?: number
}

const POLICIES: readonly FsyncPolicy[] = ['always', 'everysec', 'no']
export const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024
const DEFAULTS = {
  fsync: 'always',
  segmentBytes: SEGMENT_BYTES_DEFAULT,
  maxPendingEntries: 1_000_000,
  maxPendingBytes: 64 * 1024 * 1024,
} as const
const SEGMENT_BYTES_MIN = 4096

/** Fills in the defaults. Throws `ERR_INVALID_ARGUMENT`, naming the option and its range. */
export function resolveFileLogOptions(options: FileOperationLogOptions): Required<FileOperationLogOptions> {
  check.checkOptions('options', options, ['directory', ...Object.keys(DEFAULTS)])
  const { directory } = options
  check.checkDirectoryPath('directory', directory)
  const fsync = options.fsync ?? DEFAULTS.fsync
  if (!POLICIES.includes(fsync)) throw check.invalidArgument('fsync', "'always', 'everysec' or 'no'", fsync)
  const segmentBytes = options.segmentBytes ?? DEFAULTS.segmentBytes
  check.checkWhole('segmentBytes', segmentBytes, SEGMENT_BYTES_MIN, Number.MAX_SAFE_INTEGER)
  const maxPendingEntries = options.maxPendingEntries ?? DEFAULTS.maxPendingEntries
  check.checkWhole('maxPendingEntries', maxPendingEntries, 1, Number.MAX_SAFE_INTEGER)
  const maxPendingBytes = options.maxPendingBytes ?? DEFAULTS.maxPendingBytes
  check.checkWhole('maxPendingBytes', maxPendingBytes, 1, Number.MAX_SAFE_INTEGER)
  return { directory: resolve(directory), fsync, segmentBytes, maxPendingEntries, maxPendingBytes }
}

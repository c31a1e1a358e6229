import { resolve } from 'node:path'
import { checkDirectoryPath } from '../checks'
import { ForksnapError } from '../errors'
import { checkCodec } from '../slice/codec'
import type { Codec } from '../slice/types'
import { checkKeepPolicy, type KeepPolicy } from './retention'
import type { SliceWriting } from './store'

/** How a FileStore stores slices. */
export interface FileStoreOptions {
  /** Where the slices are. Created, with missing parents, by `start()`; one directory belongs to one store. */
  readonly directory: string
  /** What `prune()` keeps. Default `{ count: 3 }`; `{}` keeps everything. */
  readonly keep?: KeepPolicy
  /** How the child compresses frames. Default `none`. `zstd` needs a Node that has it. */
  readonly codec?: Codec
  /**
   * After this many bytes the child has the disk begin with them, so that the sync at the end is short; a whole number
   * from 0 (never). On Linux it goes on meanwhile and waits for the portion before; elsewhere it syncs. Default 4 MiB.
   */
  readonly syncEveryBytes?: number
}

export interface CheckedFileStoreOptions {
  readonly directory: string
  readonly keep: KeepPolicy
  readonly writing: SliceWriting
}

/** Slices that are kept unless `keep` says otherwise. */
export const KEEP_COUNT_DEFAULT = 3
const KEEP_DEFAULT: KeepPolicy = { count: KEEP_COUNT_DEFAULT }
const SYNC_EVERY_BYTES_DEFAULT = 4 * 1024 * 1024

/** Fills in the defaults. Throws `ERR_INVALID_ARGUMENT`, or `ERR_UNSUPPORTED_PLATFORM` for a codec that Node lacks. */
export function checkFileStoreOptions(options: FileStoreOptions): CheckedFileStoreOptions {
  const { directory, keep = KEEP_DEFAULT, codec = 'none', syncEveryBytes = SYNC_EVERY_BYTES_DEFAULT } = options
  checkDirectoryPath('directory', directory)
  checkCodec(codec)
  if (!Number.isSafeInteger(syncEveryBytes) || syncEveryBytes < 0) {
    const message = `syncEveryBytes is ${syncEveryBytes}; give a whole number of bytes, 0 for never`
    throw new ForksnapError('ERR_INVALID_ARGUMENT', message)
  }
  checkKeepPolicy(keep)
  return { directory: resolve(directory), keep, writing: { codec, syncEveryBytes } }
}

import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { errnoOf, ForksnapError, isForksnapError } from '../errors'
import { FILE_MODE } from '../store/safe-open'
import type { SliceSource } from '../store/store'
import { UsageError } from './command'
import { onInterrupt } from './cleanup'
import { Problem } from './problem'

/** A slice that arrives at standard input, such as `zstd -dc slice.zst | forksnap verify -`. */

export function standardInput(): AsyncIterable<Buffer> {
  if (process.stdin.isTTY) throw new UsageError('standard input is a terminal: "-" reads a slice from a pipe or a file')
  return process.stdin
}

/**
 * Puts standard input into a file of its own (0600, below TMPDIR) that is gone when this process ends, and resolves with its
 * path. What a slice holds is told at its end, so whoever has to know that first cannot read it from a pipe.
 */
export async function spoolStandardInput(): Promise<string> {
  const input = standardInput()
  let directory = ''
  const remove = (): void => {
    if (directory !== '') rmSync(directory, { recursive: true, force: true })
  }
  // Before there is anything to remove: a signal may come as soon as there is.
  process.once('exit', remove)
  onInterrupt(remove)
  directory = mkdtempSync(join(tmpdir(), 'forksnap-'))
  const path = join(directory, 'slice')
  try {
    await pipeline(input, createWriteStream(path, { flags: 'wx', mode: FILE_MODE }))
    return path
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new Problem(
      `Standard input could not be kept in ${directory}: ${why}; set TMPDIR to a directory with room for it`,
    )
  }
}

/** The same source, whose errors do not name a file that nobody has heard of. */
export function asStandardInput(source: SliceSource): SliceSource {
  const { info, header, trailer } = source
  const tell = (error: unknown): never => {
    throw withoutPath(error)
  }
  return {
    ...{ info, header, trailer },
    read: (handlers) => source.read(handlers).catch(tell),
    verify: () => source.verify().catch(tell),
    close: () => source.close(),
  }
}

export function withoutPath(error: unknown): unknown {
  if (!isForksnapError(error, 'ERR_SLICE_CORRUPT') || !isForksnapError(error.cause)) return error
  const { message, offset } = error.cause
  return new ForksnapError(error.code, `Standard input: ${message}`, { cause: error.cause, offset: offset ?? 0 })
}

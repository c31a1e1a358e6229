import { resolve } from 'node:path'
import { checkDirectoryPath, checkOptions, checkWhole, invalidArgument, TIMER_MS_MAX } from '../checks'
import { ForksnapError } from '../errors'
import { checkCodec } from '../slice/codec'
import type { Codec } from '../slice/types'
import type { Command } from './command-process'
import { checkKeepPolicy, type KeepPolicy } from './retention'
import type { SliceWriting } from './store'

/** How a CommandStore stores slices. */
export interface CommandStoreOptions {
  /**
   * The program that takes a slice on its standard input, and its arguments, in which `{sliceId}` and `{epoch}` stand for
   * the slice's: `['aws', 's3', 'cp', '-', 's3://bucket/{epoch}-{sliceId}']`. It is started without a shell, before the
   * fork (so that the slice's position is not known yet), and must end with exit code 0 once it has stored everything. Its
   * standard output is thrown away. It must not overwrite other slices.
   */
  readonly command: Command
  /** The program that gives the same bytes on its standard output. Without one, slices cannot be read back. */
  readonly readCommand?: Command
  /**
   * The program that removes what `command` stored; it must end with exit code 0 if there is nothing, too. Without one,
   * slices that retention removes, and what failed saves left, are only forgotten: see to their end elsewhere.
   */
  readonly removeCommand?: Command
  /** Where the index of the slices is; created by `start()` if need be. One directory belongs to one store. */
  readonly directory: string
  /** What `prune()` keeps. Default `{ count: 3 }`; `{}` keeps everything. */
  readonly keep?: KeepPolicy
  /** How the child compresses frames. Default `none`. */
  readonly codec?: Codec
  /**
   * Milliseconds, 1 to 2^31 - 1, after which a command is killed: one that takes a slice, from the child's end on; one that
   * gives a slice, when nothing has come for so long; one that removes a slice, from its start on. Default 60,000.
   */
  readonly limitMs?: number
}

export interface CheckedCommandStoreOptions {
  readonly directory: string
  readonly keep: KeepPolicy
  readonly writing: SliceWriting
  readonly limitMs: number
  readonly command: Command
  readonly readCommand: Command | undefined
  readonly removeCommand: Command | undefined
}

const KEYS = ['command', 'readCommand', 'removeCommand', 'directory', 'keep', 'codec', 'limitMs']
const KEEP_DEFAULT: KeepPolicy = { count: 3 }
const LIMIT_MS_DEFAULT = 60_000

/** Fills in the defaults. Throws `ERR_INVALID_ARGUMENT`, or `ERR_UNSUPPORTED_PLATFORM` for a codec that Node lacks. */
export function checkCommandStoreOptions(options: CommandStoreOptions): CheckedCommandStoreOptions {
  checkOptions('options', options, KEYS)
  const { directory, keep = KEEP_DEFAULT, codec = 'none', limitMs = LIMIT_MS_DEFAULT } = options
  checkDirectoryPath('directory', directory)
  checkCodec(codec)
  checkKeepPolicy(keep)
  checkWhole('limitMs', limitMs, 1, TIMER_MS_MAX)
  const command = checkCommand('command', options.command)
  // Without its own place for each slice, each save would overwrite the one before it, and a failed one the good one.
  if (!command.slice(1).some((argument) => argument.includes('{sliceId}'))) {
    const advice = 'so that each slice has a place of its own'
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `command must have {sliceId} in one of its arguments, ${advice}`)
  }
  return {
    directory: resolve(directory),
    keep,
    writing: { codec, syncEveryBytes: 0 },
    limitMs,
    command,
    readCommand: options.readCommand && checkCommand('readCommand', options.readCommand),
    removeCommand: options.removeCommand && checkCommand('removeCommand', options.removeCommand),
  }
}

/** A copy, so that nobody changes it afterwards. What is in the arguments is not shown. */
function checkCommand(name: string, command: Command): Command {
  if (!Array.isArray(command) || command.length === 0) {
    throw invalidArgument(name, 'an array of the program and its arguments', command)
  }
  const [program, ...args] = command as unknown as [string, ...string[]]
  for (const text of [program, ...args]) {
    if (typeof text === 'string' && !text.includes('\0')) continue
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `${name} must be made of strings without NUL`)
  }
  if (program === '') throw new ForksnapError('ERR_INVALID_ARGUMENT', `${name} must begin with the name of a program`)
  if ([program, ...args].join(' ').includes('{position}')) {
    const why = 'the command is started before the fork, when the position is not known'
    throw new ForksnapError('ERR_INVALID_ARGUMENT', `${name} cannot have {position}: ${why}; use {sliceId}`)
  }
  return [program, ...args]
}

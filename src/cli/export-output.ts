import { existsSync, linkSync, lstatSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from '../errors'
import { fdTarget, type SliceTarget } from '../slice/target'
import { closeFd, fsyncFd } from '../store/descriptor'
import { FILE_MODE, fsyncDirectory } from '../store/safe-open'
import { onInterrupt } from './cleanup'
import { Problem } from './problem'

const BUFFERED_BYTES = 64 * 1024
const STDOUT_FD = 1

/** Where an export goes. It blocks while the reader is slow, so that nothing piles up in memory. */
export interface Output {
  text(text: string): void
  bytes(bytes: Uint8Array): void
  /** Everything was written: makes it last. Rejects with `Problem` where that is not sure. */
  finish(): Promise<void>
  /** Something failed: leaves no half file. */
  discard(): void
}

class Buffered {
  #text = ''

  constructor(private readonly target: SliceTarget) {}

  text(text: string): void {
    this.#text += text
    if (this.#text.length >= BUFFERED_BYTES) this.flush()
  }

  bytes(bytes: Uint8Array): void {
    this.flush()
    this.target.write(bytes)
  }

  flush(): void {
    const text = this.#text
    this.#text = ''
    if (text !== '') this.target.write(Buffer.from(text))
  }
}

export function standardOutput(): Output {
  const buffered = new Buffered(fdTarget(STDOUT_FD))
  return {
    text: (text) => buffered.text(text),
    bytes: (bytes) => buffered.bytes(bytes),
    finish() {
      buffered.flush()
      return Promise.resolve()
    },
    discard: () => buffered.flush(), // The rows so far are right.
  }
}

/**
 * A file that has its name only once it is complete. Throws `Problem` if it is there and must not be replaced, or cannot be
 * made.
 */
export function fileOutput(path: string, replace: boolean): Output {
  checkName(path, replace)
  const part = `${path}.part-${process.pid}`
  const remove = (): void => rmSync(part, { force: true })
  // Before there is anything to remove: a signal may come as soon as there is.
  const forget = onInterrupt(remove)
  const discard = (): void => {
    remove()
    forget()
  }
  const fd = openPart(part, forget)
  const buffered = new Buffered(fdTarget(fd))
  return {
    text: (text) => buffered.text(text),
    bytes: (bytes) => buffered.bytes(bytes),
    async finish() {
      buffered.flush()
      await synced(fsyncFd(fd), (why) => `${path} could not be brought to the disk, and was not kept: ${why}`)
      publish(part, path, replace)
      discard()
      await closeFd(fd)
      const lost = (why: string): string => `${path} is complete, but a crash of the system could still undo it: ${why}`
      await synced(fsyncDirectory(dirname(path)), lost)
    },
    discard,
  }
}

/** Only what an export could have written is ever replaced: a rename would put a file in the place of a device, too. */
function checkName(path: string, replace: boolean): void {
  const there = lstatSync(path, { throwIfNoEntry: false })
  if (there === undefined) return
  if (!there.isFile()) throw new Problem(`${path} is there, and is no regular file; choose another name`)
  if (!replace) throw taken(path)
}

function openPart(part: string, failed: () => void): number {
  try {
    return openSync(part, 'wx', FILE_MODE)
  } catch (error) {
    failed()
    if (errnoOf(error) !== 'ENOENT' || existsSync(dirname(part))) throw error
    throw new Problem(`There is no directory ${dirname(part)}`)
  }
}

async function synced(syncing: Promise<void>, messageOf: (why: string) => string): Promise<void> {
  try {
    await syncing
  } catch (error) {
    throw new Problem(messageOf(error instanceof Error ? error.message : String(error)))
  }
}

/** A link fails where the name is taken, which a look before a rename could miss. */
function publish(part: string, path: string, replace: boolean): void {
  if (replace) return renameSync(part, path)
  try {
    linkSync(part, path)
  } catch (error) {
    throw errnoOf(error) === 'EEXIST' ? taken(path) : error
  }
}

function taken(path: string): Problem {
  return new Problem(`${path} is there already; choose another name, or add --force`)
}

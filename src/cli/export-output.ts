import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs'
import { errnoOf } from '../errors'
import { fdTarget, type SliceTarget } from '../slice/target'
import { FILE_MODE } from '../store/safe-open'
import { onInterrupt } from './cleanup'
import { Problem } from './problem'

const BUFFERED_BYTES = 64 * 1024
const STDOUT_FD = 1

/** Where an export goes. It blocks while the reader is slow, so that nothing piles up in memory. */
export interface Output {
  text(text: string): void
  bytes(bytes: Uint8Array): void
  /** Everything was written: makes it last. */
  finish(): void
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
    finish: () => buffered.flush(),
    discard: () => buffered.flush(), // The rows so far are right.
  }
}

/** A file that has its name only once it is complete. Throws `Problem` if it is there and must not be replaced. */
export function fileOutput(path: string, replace: boolean): Output {
  if (!replace && existsSync(path)) throw taken(path)
  const part = `${path}.part-${process.pid}`
  const remove = (): void => rmSync(part, { force: true })
  // Before there is anything to remove: a signal may come as soon as there is.
  const forget = onInterrupt(remove)
  const fd = openPart(part, forget)
  const buffered = new Buffered(fdTarget(fd))
  return {
    text: (text) => buffered.text(text),
    bytes: (bytes) => buffered.bytes(bytes),
    finish() {
      buffered.flush()
      fsyncSync(fd)
      publish(part, path, replace)
      closeSync(fd)
      remove()
      forget()
    },
    discard() {
      remove()
      forget()
    },
  }
}

function openPart(path: string, failed: () => void): number {
  try {
    return openSync(path, 'wx', FILE_MODE)
  } catch (error) {
    failed()
    throw error
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

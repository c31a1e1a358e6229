import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { closeFd, openFd } from './descriptor'

const run = promisify(execFile)

const PIPE_NAME = /^pipe-[0-9a-f]{16}$/
/** Made with one process: starting one is a fork, which pauses a large server. */
const PIPES_AT_ONCE = 16

export interface PipeEnds {
  readonly readFd: number
  readonly writeFd: number
}

/**
 * Pipes between a forked child and a command. Node has no `pipe()`, and the sockets that it gives to child processes are
 * in non-blocking mode, which a child whose event loop does not run could only poll. So they are FIFOs, each of which
 * loses its name once both ends are open, and is used once: a process that a command left behind cannot read what follows.
 */
export class Pipes {
  #names: string[] = []

  constructor(private readonly directory: string) {}

  /** Removes what a crash left. */
  async removeStrays(): Promise<void> {
    this.#names = []
    for (const name of await readdir(this.directory)) if (PIPE_NAME.test(name)) await unlink(join(this.directory, name))
  }

  /** A pipe that nobody else has, both ends in blocking mode. */
  async open(): Promise<PipeEnds> {
    if (this.#names.length === 0) await this.#make()
    const path = join(this.directory, this.#names.pop() as string)
    // Opening an end waits for the other one, except like this; the order makes each of the next two succeed at once.
    const holder = await openFd(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    let writeFd: number | undefined
    try {
      writeFd = await openFd(path, constants.O_WRONLY | constants.O_NOFOLLOW)
      return { readFd: await openFd(path, constants.O_RDONLY | constants.O_NOFOLLOW), writeFd }
    } catch (error) {
      if (writeFd !== undefined) await closeFd(writeFd)
      throw error
    } finally {
      await closeFd(holder)
      await unlink(path)
    }
  }

  async #make(): Promise<void> {
    const names = Array.from({ length: PIPES_AT_ONCE }, () => `pipe-${randomBytes(8).toString('hex')}`)
    await run('mkfifo', ['-m', '600', ...names.map((name) => join(this.directory, name))])
    this.#names = names
  }
}

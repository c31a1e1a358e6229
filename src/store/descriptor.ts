import * as fs from 'node:fs'
import { promisify } from 'node:util'

/**
 * Asynchronous file calls on plain descriptor numbers. `fs.promises` would give `FileHandle` objects, and those must
 * not be used here: a forked child's garbage collector closes the descriptor number of each handle that it finds
 * unreachable, and in the child that number may by then be the slice. Node opens every file with O_CLOEXEC.
 */
export const openFd = promisify(fs.open)
export const closeFd = promisify(fs.close)
export const fstatFd = promisify(fs.fstat)
export const fsyncFd = promisify(fs.fsync)
export const chmodFd = promisify(fs.fchmod)
export const truncateFd = promisify(fs.ftruncate)
const read = promisify(fs.read)
const write = promisify(fs.write)

/** Reads at `position` into a buffer; what it returns is shorter than the buffer only where the file ends. */
export async function readInto(fd: number, buffer: Buffer, position: number): Promise<Buffer> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await read(fd, buffer, filled, buffer.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** Reads up to `length` bytes at `position` into a new buffer. */
export function readAt(fd: number, position: number, length: number): Promise<Buffer> {
  return readInto(fd, Buffer.allocUnsafe(length), position)
}

/** Writes all of a text at the start of a file. */
export async function writeText(fd: number, text: string): Promise<void> {
  const bytes = Buffer.from(text)
  let written = 0
  while (written < bytes.length) {
    written += (await write(fd, bytes, written, bytes.length - written, written)).bytesWritten
  }
}

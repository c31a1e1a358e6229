import * as fs from 'node:fs'
import { join } from 'node:path'
import { parseSliceName } from '../../src/store/file-names'
import type { Draw } from './draw'

/**
 * Changes a byte in the middle of one of the published slices in a directory, as a bad disk would. Returns the slice's
 * id; undefined without slices.
 */
export function damageSlice(directory: string, draw: Draw): number | undefined {
  const names = fs.existsSync(directory) ? fs.readdirSync(directory) : []
  const [first, ...others] = names.filter((name) => idOf(name) !== undefined)
  if (first === undefined) return undefined
  const name = draw.one([first, ...others])
  const fd = fs.openSync(join(directory, name), 'r+')
  const byte = Buffer.alloc(1)
  const middle = Math.floor(fs.fstatSync(fd).size / 2)
  fs.readSync(fd, byte, 0, 1, middle)
  fs.writeSync(fd, Buffer.of(byte.readUInt8() ^ 0xff), 0, 1, middle)
  fs.fsyncSync(fd)
  fs.closeSync(fd)
  return idOf(name)
}

/** From a FileStore's name, or that which a command of the tests gives. */
function idOf(name: string): number | undefined {
  const id = parseSliceName(name)?.sliceId ?? /^stored-(\d+)$/.exec(name)?.[1]
  return id === undefined ? undefined : Number(id)
}

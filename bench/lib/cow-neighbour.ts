/**
 * A process that does a child's work without being one: it has a state of its own and writes it to /dev/null again and
 * again. Beside it the load is as disturbed by what a machine's cores share (caches, memory, V8's helping threads) as
 * beside a child, and copies nothing.
 */
import { closeSync, openSync } from 'node:fs'
import { createSliceWriter, fdTarget } from '../../src/slice/writer'
import { cowLoadNamed } from './cow-loads'

const [, , name, size] = process.argv
const load = cowLoadNamed(name)(Number(size))
process.send?.('ready')

function writeOnce(): void {
  const fd = openSync('/dev/null', 'w')
  const writer = createSliceWriter(fdTarget(fd), { sliceId: 1n, meta: {}, codec: 'none', syncEveryBytes: 0 })
  load.write(writer)
  writer.finish()
  closeSync(fd)
  setImmediate(writeOnce)
}

process.once('disconnect', () => process.exit())
setImmediate(writeOnce)

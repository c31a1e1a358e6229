import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binding } from '../../src/binding'
import { fdTarget } from '../../src/slice/target'
import { describeOnLinux } from '../helpers/platform'

const KIB = 1024

type Call = [start: number, bytes: number, wait: boolean]

/** Writes portions of so many bytes and has the disk begin after each: what is it asked for, and what is in the file? */
function written(portions: readonly number[]) {
  const folder = mkdtempSync(join(tmpdir(), 'forksnap-target-'))
  const file = join(folder, 'slice')
  const fd = openSync(file, 'wx')
  const native = binding()
  const writeBack = native.writeBack.bind(native)
  const calls: Call[] = []
  native.writeBack = (at, start, bytes, wait) => {
    calls.push([start, bytes, wait])
    return writeBack(at, start, bytes, wait)
  }
  try {
    const target = fdTarget(fd)
    for (const [i, bytes] of portions.entries()) {
      target.write(new Uint8Array(bytes).fill(i + 1))
      target.startSync?.()
    }
    target.sync?.()
    return { calls, content: readFileSync(file) }
  } finally {
    native.writeBack = writeBack
    closeSync(fd)
    rmSync(folder, { recursive: true })
  }
}

describeOnLinux('early write-back', () => {
  it('ends with a whole page each time, leaves nothing out and waits for the portion before', () => {
    const { calls } = written([100 * KIB + 1, 100 * KIB, 56 * KIB - 1, 64 * KIB])
    expect(calls).toEqual([
      [0, 64 * KIB, false],
      [64 * KIB, 128 * KIB, false],
      [0, 64 * KIB, true],
      [192 * KIB, 64 * KIB, false],
      [64 * KIB, 128 * KIB, true],
      [256 * KIB, 64 * KIB, false],
      [192 * KIB, 64 * KIB, true],
    ])
  })

  it('begins with nothing until there is a whole page', () => {
    const { calls, content } = written([1, 64 * KIB - 2, 1, 5])
    expect(calls).toEqual([[0, 64 * KIB, false]])
    expect(content).toHaveLength(64 * KIB + 5)
    expect([content[0], content[1], content.at(-6), content.at(-5)]).toEqual([1, 2, 3, 4])
  })
})

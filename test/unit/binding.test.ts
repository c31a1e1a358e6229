import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { binding, Outcome } from '../../src/binding'
import { membersOf } from '../helpers/interfaces'

const read = (...path: string[]): string => readFileSync(join(__dirname, '../..', ...path), 'utf8')

describe("the addon's type", () => {
  const native = binding()

  it('lists exactly what the addon exports', () => {
    const exported = Object.entries(native).map(([name, value]) => [
      name,
      typeof value === 'function' ? 'function' : 'value',
    ])
    expect(Object.fromEntries(exported)).toEqual(Object.fromEntries(membersOf('binding.ts', 'NativeBinding')))
  })

  it('lists the methods of a ChildWatch', () => {
    const { prototype } = native.ChildWatch as unknown as { prototype: object }
    const methods = Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor')
    expect(methods.sort()).toEqual([...membersOf('binding.ts', 'ChildWatch').keys()].sort())
  })

  it("lists the fields of a page's state", () => {
    const page = native.openPage()
    const state = native.readPage(page)
    expect(Object.keys(state).sort()).toEqual([...membersOf('binding.ts', 'PageState').keys()].sort())
    expect(state).toEqual({
      rows: 0,
      bytes: 0,
      cowBytes: 0,
      faults: 0,
      youngGcs: 0,
      fullGcs: 0,
      beats: 0,
      outcome: Outcome.running,
      message: '',
    })
    expect(native.readPageResult(page)).toHaveLength(0)
    native.closePage(page)
    native.closePage(page)
    expect(() => native.readPage(page)).toThrow('closed')
  })

  it('numbers the outcomes as the native side does', () => {
    const enumerators = [...read('native', 'status_page.h').matchAll(/^ {2}k(\w+) = (\d+),$/gm)]
    const numbers = enumerators.map(([, name = '', number]) => [name[0]?.toLowerCase() + name.slice(1), Number(number)])
    expect(Object.fromEntries(numbers)).toEqual(Outcome)
  })
})

describe('the addon in a process that is no child', () => {
  const native = binding()

  it('refuses what would end the process, or belongs to a child', () => {
    expect(native.isInChild()).toBe(false)
    expect(() => native.childExit(0, 0, '')).toThrow('only a child')
    expect(() => native.childResult(new Uint8Array(1))).toThrow('only a child')
    expect(native.childProgress(1, 1)).toBeUndefined()
    expect(native.getpid()).toBe(process.pid)
  })

  it.each([
    ['flock', 'EBADF', 'bad file descriptor', () => native.flock(-1, 'shared')],
    ['sync_file_range', 'EBADF', 'bad file descriptor', () => native.writeBack(-1, 0, 1, false)],
    ['waitpid', 'EINVAL', 'invalid argument', () => native.waitpid(-1, 0)],
    ['waitpid', 'ECHILD', 'no child processes', () => native.waitpid(process.pid, 0)],
  ])("throws a failed call's name and its errno: %s, %s", (syscall, code, text, call) => {
    expect(call).toThrow(expect.objectContaining({ message: `${syscall}: ${text}`, code, syscall }))
  })

  it('does nothing to a quiescence that has not begun', () => {
    expect(() => native.quiesceProgress()).toThrow('no quiescence')
    expect(() => native.quiesceScan()).toThrow('no quiescence')
    expect(native.quiesceLook()).toBe(false)
    native.quiesceEnd()
  })

  it('knows whether microtasks run', async () => {
    const outside = new Promise<boolean>((resolve) => setImmediate(() => resolve(native.isInMicrotask())))
    expect(await outside).toBe(false)
    expect(native.isInMicrotask()).toBe(true)
  })
})

import { waitpid, WNOHANG } from '../../src/wait'

describe('waitpid in a process without children of its own making', () => {
  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])('refuses %p as a pid', (pid) => {
    expect(() => waitpid(pid)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })

  it.each([2, -1, 3, 0.5])('refuses %p as options', (options) => {
    expect(() => waitpid(process.pid, options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })

  it('says of a process that is no child that its status is unknown', () => {
    const unknown = { code: 'ERR_CHILD_STATUS_UNKNOWN', errno: 'ECHILD', syscall: 'waitpid', pid: process.pid }
    expect(() => waitpid(process.pid, WNOHANG)).toThrow(expect.objectContaining(unknown))
  })
})

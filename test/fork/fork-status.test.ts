import type { Failure } from '../fixtures/fork-kit'
import { Fixture, runFixture, untilGone } from '../helpers/fixture'
import { itOnLinux } from '../helpers/platform'

const run = <T>(scenario: string, before: string[] = []): Promise<T> =>
  runFixture<T>('fork-status', [scenario], { before })

const unknown = { code: 'ERR_CHILD_STATUS_UNKNOWN', errno: 'ECHILD' }

describe("a child's exit status that others take", () => {
  itOnLinux('is unknown where SIGCHLD is ignored, however the child ended; no child is left', async () => {
    const result = await run<Record<string, Failure>>('ignored')
    expect(result).toMatchObject({ clean: unknown, crash: unknown, limit: unknown, children: [] })
    expect(result.clean?.message).toMatch(/waitpid\(-1\).*SIGCHLD is ignored.*Remove that/)
  })

  it('is known where SIGCHLD was ignored by the shell, since Node.js undoes that at its start', async () => {
    expect(await run('inheritedIgnore', ['sh', '-c', `trap '' CHLD; exec "$@"`, 'sh'])).toBe(7)
  })

  it('is unknown after a foreign waitpid(-1); other children are left alone, and the next fork works', async () => {
    const exit = [null, 'SIGKILL']
    expect(await run('foreignReaper')).toMatchObject({ outcome: unknown, taken: true, bystander: true, exit, next: 8 })
  })

  it.each(['foreignPidfd', 'foreignSigchld'])(
    'is unknown for a process that is no child, which is never killed: %s',
    async (way) => {
      expect(await run(way)).toEqual({ end: 'unknown', sent: false, spared: true, shell: [0, null] })
    },
  )

  it.each(['reapedPidfd', 'reapedSigchld'])('is unknown if it was taken before anybody waited: %s', async (way) => {
    expect(await run(way)).toEqual({ end: 'unknown', sent: false })
  })
})

describe('waiting for children', () => {
  it.each(['manyByPidfd', 'manyBySigchld'])(
    'tells the ends of many at once, and leaves those of child_process: %s',
    async (way) => {
      const ends = [3, 0, 'SIGTERM', 'SIGSEGV', 255]
      expect(await run(way)).toEqual({
        told: [...ends, ...ends, ...ends],
        exits: Array.from({ length: 15 }, (_, code) => code),
        children: [],
        left: 0,
        listeners: 0,
        right: true,
      })
    },
  )

  it.each(['killedByPidfd', 'killedBySigchld'])('kills a child once, and nobody after its end: %s', async (way) => {
    expect(await run(way)).toEqual({ sent: true, end: 'SIGKILL', again: false })
  })

  it('waitpid() is that of POSIX, for one child', async () => {
    const invalid = { code: 'ERR_INVALID_ARGUMENT' }
    expect(await run('waiting')).toEqual({
      whileRunning: null,
      samePid: true,
      afterKill: { exited: false, exitCode: -1, signal: 'SIGKILL', coreDumped: false },
      again: unknown,
      statuses: [0, 1, 127, 255],
      names: [true, true, true, true, true],
      realTime: 'SIG40',
      invalid: [invalid, invalid, invalid, invalid, invalid],
      invalidOptions: [invalid, invalid, invalid],
      stranger: unknown,
      WNOHANG: 1,
      children: [],
      number: 9,
    })
  })
})

describe('process.exit() while a child lives', () => {
  itOnLinux('ends the process with its code, and the child with it', async () => {
    const fixture = new Fixture('fork-status', ['exitMeanwhile'])
    const child = Number((await fixture.line(/^forked/)).split(' ')[1])
    fixture.say('exit')
    expect(await fixture.closed).toMatchObject({ code: 6, signal: null, stderr: '' })
    await untilGone(child)
  })
})

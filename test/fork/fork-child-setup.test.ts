import type { Inheritance, Self, StartedAtOnce } from '../fixtures/fork-child-setup'
import { Fixture, runFixture } from '../helpers/fixture'
import { itOnLinux, onLinux } from '../helpers/platform'

const run = <T>(scenario: string): Promise<T> => runFixture<T>('fork-child-setup', [scenario])

// SIGPIPE (13), SIGTTOU (22) and SIGXFSZ (25), as bits of /proc/PID/status.
const IGNORED = '0000000001201000'
const NONE = '0000000000000000'
/**
 * All but the real-time signals that the C library keeps to itself, and, where the child looks for its parent by a timer,
 * that one's SIGALRM (14): of these no handler may be left.
 */
const OWN_SIGNALS = ~((1n << 31n) | (1n << 32n) | (1n << 33n) | (onLinux ? 0n : 1n << 13n))

interface Defaults {
  child: Self
  parent: Self
  keep: number
  file: string
  written: string
}

describe("a child's set-up", () => {
  let seen: Defaults

  beforeAll(async () => {
    seen = await run<Defaults>('defaults')
  })

  it('is a process group of its own, in the same session, and knows its own number', () => {
    const { child, parent } = seen
    expect(child).toMatchObject({ ppid: parent.pid, pgrp: child.pid, session: parent.session, realPid: child.pid })
    expect(child.pid).not.toBe(parent.pid)
  })

  it('is in that group as soon as the parent goes on', async () => {
    expect(await run('group')).toEqual({ own: true })
  })

  it('runs one thread where V8 has no workers, with no signal blocked and no handler of the parent', () => {
    const { child, parent } = seen
    expect(child).toMatchObject({ threads: '1', blocked: NONE, ignored: IGNORED })
    expect(BigInt(`0x${child.caught}`) & OWN_SIGNALS).toBe(0n)
    expect(BigInt(`0x${parent.caught}`) & OWN_SIGNALS).not.toBe(0n)
  })

  it('has nothing open but standard error and what it was to keep; in every other place stands /dev/null', () => {
    const { child, parent, keep, file, written } = seen
    const open = Object.entries(child.descriptors).filter(([, target]) => target !== '/dev/null')
    expect(open.map(([fd]) => Number(fd))).toEqual([2, keep])
    expect(child.descriptors[keep]).toBe(file)
    expect(child.descriptors[2]).toBe(parent.descriptors[2])
    // No number is free that the parent had in use: a finalizer in the child may close it.
    for (const fd of Object.keys(parent.descriptors)) expect(child.descriptors).toHaveProperty(fd)
    expect(written).toBe('from the child')
  })

  itOnLinux('leaves the parent as it was', () => {
    const targets = Object.values(seen.parent.descriptors)
    expect(targets.filter((target) => target === seen.file)).toHaveLength(2)
    expect(targets.some((target) => target.startsWith('socket:'))).toBe(true)
    expect(seen.parent).toMatchObject({
      title: expect.not.stringMatching(/^forksnap/) as string,
      oomScoreAdj: seen.child.oomScoreAdj - 500,
    })
  })

  itOnLinux('dumps no core, goes first when memory is short, and has a name that ps shows', () => {
    const { child } = seen
    expect(child).toMatchObject({ core: ['0', '0'], comm: 'forksnap', title: 'forksnap', commandLine: 'forksnap' })
    expect(child.oomScoreAdj).toBeGreaterThanOrEqual(500)
  })

  it('has no signal blocked even where the parent blocks some', async () => {
    expect(await run('blockedSignal')).toEqual({ child: NONE, parent: '0000000000004000' })
  })

  itOnLinux('takes the priorities, the CPUs and the name that were asked for', async () => {
    const { cpu, child, low, policies, parent } = await run<{
      cpu: number
      child: Self & { ioPriority: string }
      low: string
      policies: number[]
      parent: Self & { ioPriority: string }
    }>('asked')
    expect(child).toMatchObject({
      nice: parent.nice + 7,
      cpus: String(cpu),
      oomScoreAdj: 900,
      ioPriority: 'idle',
      comm: 'a-rather-long-t',
      title: 'a-rather-long-title',
      core: parent.core,
    })
    expect(low).toBe('best-effort: prio 7')
    // SCHED_OTHER and SCHED_IDLE.
    expect(policies).toEqual([0, 5])
    expect(parent.ioPriority).not.toMatch(/idle|prio 7/)
  })

  it('hands nothing of the parent to a program that the child starts', async () => {
    const { open } = await run<{ open: string[] }>('exec')
    expect(open).toHaveLength(3)
    expect(open.slice(0, 2)).toEqual(['/dev/null', 'file'])
  })
})

it('a child that outlives its parent does not end as if all were well', async () => {
  const { signal, stderr } = await new Fixture('fork-child-setup', ['orphan']).closed
  expect({ signal, stderr }).toEqual({
    signal: 'SIGKILL',
    stderr: "forksnap: the parent has gone before its child's end; nothing was published\n",
  })
})

it('a child that never ends goes with its parent all the same', async () => {
  // Standard error is the child's too, so that this waits for its end.
  expect(await new Fixture('fork-child-setup', ['endlessOrphan']).closed).toMatchObject({ signal: 'SIGKILL' })
})

describe('the memory that children of child_process inherit', () => {
  // A sanitizer's own memory is many times the heap's, and its share changes all the time.
  const itWithoutSanitizer = /lib[at]san/.test(process.env.LD_PRELOAD ?? '') ? it.skip : it
  itWithoutSanitizer('does not grow by forks: the heap is kept from them again after each', async () => {
    const { before, child, after, later, spawned } = await run<Inheritance>('inheritance')
    expect(before.dc).toBeGreaterThan(50_000)
    expect(child.dc).toBe(0)
    expect(after.dc / after.of).toBeGreaterThan(0.95 * (before.dc / before.of))
    expect(later.dc).toBeGreaterThan(0.8 * later.of)
    expect(spawned).toBe(3)
  })
  itWithoutSanitizer('is put back before a program that is started in the very turn of a fork', async () => {
    const { before, rounds } = await run<StartedAtOnce>('startedAtOnce')
    expect(before).toBeGreaterThan(0.5)
    expect(rounds).toHaveLength(2)
    for (const { forked, started } of rounds) {
      expect(forked).toBeLessThan(0.1)
      expect(started).toBeGreaterThan(0.9 * before)
    }
  })
})

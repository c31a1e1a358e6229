import { Fixture, type FixtureEnd } from '../helpers/fixture'
import { itOnLinux } from '../helpers/platform'

const RETURNED = 'the child of fork() returned to the event loop'
/** What the parent's own callbacks write, each of them once. */
const callbacks = [
  ...['nextTick', 'microtask', 'then', 'continuation', 'timeout', 'immediate', 'immediate 2', 'interval 1'],
  ...['interval 2', 'on beforeExit', 'on exit'],
].sort()

async function run(place: string, end: string): Promise<FixtureEnd & { pid: number }> {
  const fixture = new Fixture('fork-bare', [place, end])
  return { ...(await fixture.closed), pid: fixture.pid }
}

interface Said {
  parent: string[]
  child: string[]
  /** How waitpid() said that the child ended. */
  status: string
}

/** Sorts lines of `<pid> <what>` by who wrote them. */
function whoSaidWhat(stdout: string, parent: number): Said {
  const lines = stdout.split('\n').map((line) => /^(\d+) (.*)$/.exec(line))
  const said: Said = { parent: [], child: [], status: '' }
  for (const [, pid, what = ''] of lines.map((line) => line ?? [])) {
    const status = /^parent \d+ (.*)$/.exec(what)?.[1]
    if (Number(pid) !== parent) said.child.push(what)
    else if (status !== undefined) said.status = status
    else said.parent.push(what)
  }
  said.parent.sort()
  return said
}

const more: Record<string, string[]> = { beforeAwait: ['after the await'], socket: ['second listener', 'closed'] }
const places = ['commonjs', 'timer', 'interval', 'immediate', 'nextTick', 'beforeAwait', 'socket']

describe.each(places)('a bare fork() in: %s', (place) => {
  const parent = [...callbacks, ...(more[place] ?? [])].sort()

  it('process.exit() in the child is _exit', async () => {
    const { code, stdout, stderr, pid } = await run(place, 'exit')
    expect(whoSaidWhat(stdout, pid)).toEqual({ parent, child: ['child'], status: '5 null' })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  it('returning to the event loop ends the child', async () => {
    const { code, stdout, stderr, pid } = await run(place, 'return')
    expect(whoSaidWhat(stdout, pid)).toEqual({ parent, child: ['child'], status: '70 null' })
    expect(stderr).toContain(RETURNED)
    expect(code).toBe(0)
  })

  it('a throw ends the child', async () => {
    const { code, stdout, stderr, pid } = await run(place, 'throw')
    expect(whoSaidWhat(stdout, pid)).toEqual({ parent, child: ['child'], status: '70 null' })
    // An async function turns a throw into a rejection, which nobody would hear of before the child's end.
    expect(stderr).toContain(place === 'beforeAwait' ? RETURNED : 'thrown in the child')
    expect(code).toBe(0)
  })

  it('a rejection is not heard of before the child returns', async () => {
    const { code, stdout, stderr, pid } = await run(place, 'reject')
    expect(whoSaidWhat(stdout, pid)).toEqual({ parent, child: ['child'], status: '70 null' })
    expect(stderr).toContain(RETURNED)
    expect(code).toBe(0)
  })
})

it('a child that cannot be guarded ends before the code that called fork() goes on in it', async () => {
  const { code, stdout, stderr, pid } = await run('unsealable', 'return')
  expect(whoSaidWhat(stdout, pid)).toEqual({ parent: callbacks, child: [], status: '70 null' })
  expect(stderr).toMatch(/^forksnap: the child of fork\(\) could not be guarded: TypeError/)
  expect(code).toBe(0)
})

it("a program's own callback for what is thrown stays the parent's, and is none of the child's", async () => {
  const { code, stdout, stderr, pid } = await run('captured', 'throw')
  const parent = [...callbacks, 'captured later', 'on uncaughtExceptionMonitor'].sort()
  expect(whoSaidWhat(stdout, pid)).toEqual({ parent, child: ['child'], status: '70 null' })
  expect(stderr).toContain('thrown in the child')
  expect(code).toBe(0)
})

describe('a bare fork() is refused', () => {
  it.each(['afterAwait', 'afterTimerAwait', 'then', 'microtask'])('in a microtask: %s', async (place) => {
    const { code, stdout, pid } = await run(place, 'exit')
    const parent = ['refused ERR_INVALID_STATE', 'on beforeExit', 'on exit'].sort()
    expect(whoSaidWhat(stdout, pid)).toEqual({ parent, child: [], status: '' })
    expect(code).toBe(0)
  })

  // From Node 26 on domains leave the capture callback to others: nothing has to be refused, and the child has its guard.
  it('where node:domain is loaded, whose domains would get what the child throws', async () => {
    const { code, stdout, pid } = await run('domain', 'throw')
    const refused = Number(process.versions.node.split('.')[0]) < 26
    const parent = [refused ? 'refused ERR_INVALID_STATE' : 'forked', 'on beforeExit', 'on exit'].sort()
    expect(whoSaidWhat(stdout, pid)).toEqual({ parent, child: refused ? [] : ['child'], status: expect.anything() })
    expect(code).toBe(0)
  })

  itOnLinux('while a snapshot is about to fork, which goes on', async () => {
    const { code, stdout, pid } = await run('whileQuiescing', 'exit')
    const parent = ['refused ERR_NOT_QUIESCENT', 'snapshot fine', 'on beforeExit', 'on exit'].sort()
    expect(whoSaidWhat(stdout, pid)).toEqual({ parent, child: [], status: '' })
    expect(code).toBe(0)
  })

  it("at an ES module's top level, but not in its callbacks", async () => {
    const fixture = new Fixture('fork-bare-module.mjs')
    const { code, stdout, stderr } = await fixture.closed
    const { parent, child } = whoSaidWhat(stdout.replace(/parent immediate/, 'waited'), fixture.pid)
    expect({ parent, child }).toEqual({
      parent: ['nextTick', 'refused after await ERR_INVALID_STATE', 'refused top level ERR_INVALID_STATE', 'waited 5'],
      child: ['child immediate'],
    })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })
})

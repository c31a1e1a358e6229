import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { FileStore } from '../../src/store/file'
import { Fixture, goneWithin, isAlive, untilGone } from '../helpers/fixture'
import { itUnless, reasonAgainstTerminal } from '../helpers/store-fixture'
import { itOnLinux } from '../helpers/platform'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'forksnap-parent-'))
  if (spawnSync('mkfifo', [join(directory, 'gate')]).status !== 0) throw new Error('mkfifo failed')
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

const slices = (): string => join(directory, 'slices')

/** Ids and positions of what is published, oldest first. Taking the lock proves that nobody holds it any more. */
async function published(): Promise<string[]> {
  const store = new FileStore({ directory: slices() })
  await store.start()
  const list = await store.list()
  await store.close()
  return list.map(({ sliceId, position }) => `${sliceId} at ${position}`).reverse()
}

/** Lets the child go that waits at the gate, once it does. Opened to wait for it here, it would hold a thread of ours. */
async function openGate(fixture: Fixture): Promise<void> {
  while (!fixture.over) {
    try {
      closeSync(openSync(join(directory, 'gate'), constants.O_WRONLY | constants.O_NONBLOCK))
      return
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENXIO') throw error
      await setTimeout(1)
    }
  }
}

const numberIn = (line: string): number => Number(/\d+/.exec(line)?.[0])

/** The promise is a second; a loaded machine may take its time to run the child for the last time, and this test. */
const ORPHAN_MS_MAX = 5 * 1000

describe('SIGKILL of the parent during a snapshot', () => {
  itOnLinux('takes the child along, publishes nothing, frees the port, and the next start saves again', async () => {
    const fixture = new Fixture('fork-parent', ['server', directory])
    const port = numberIn(await fixture.line(/^port/))
    await fixture.line(/^ready/)
    fixture.say('save')
    await fixture.line(/^saved 1/)
    const client = net.connect(port, '127.0.0.1').on('error', () => undefined)
    await once(client, 'connect')
    fixture.say('wait')
    fixture.say('save')
    const child = numberIn(await secondFork(fixture))
    expect(isAlive(child)).toBe(true)
    fixture.kill('SIGKILL')
    await untilGone(fixture.pid)
    // Nobody opens the gate at which the child waits, so that only its parent's death can have ended it.
    expect(await goneWithin(child, ORPHAN_MS_MAX)).toBe(true)
    // Standard error is shared with the child: it is closed only when the child is gone too.
    expect(await fixture.closed).toMatchObject({ code: null, signal: 'SIGKILL' })
    await bind(port)
    client.destroy()
    expect(await published()).toEqual(['1 at 1'])
    expect(readdirSync(slices()).filter((name) => name.startsWith('tmp'))).toEqual([])

    const again = new Fixture('fork-parent', ['server', directory, String(port)])
    await again.line(/^ready/)
    again.say('save')
    await again.line(/^saved/)
    again.say('close')
    expect((await again.closed).code).toBe(0)
    expect(await published()).toHaveLength(2)
  })
})

/** The line of the second fork, past or to come. */
async function secondFork(fixture: Fixture): Promise<string> {
  const first = await fixture.line(/^forked/)
  return fixture.line(new RegExp(`^forked (?!${numberIn(first)}$)`))
}

/** Binds the port as a new server would, and lets it go again. Rejects with EADDRINUSE if somebody still has it. */
async function bind(port: number): Promise<void> {
  const server = net.createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  server.close()
  await once(server, 'close')
}

describe('a signal for the child', () => {
  it('ends it and never runs a handler of the parent: forkChild', async () => {
    const { stdout, ...end } = await new Fixture('fork-parent', ['signals', directory]).closed
    expect(end).toEqual({ code: 0, signal: null, stderr: '' })
    const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2']
    expect(JSON.parse(stdout)).toEqual({ ends: signals, silent: [], handled: signals })
  })

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const)('%s: Snapshotter', async (signal) => {
    const fixture = new Fixture('fork-parent', ['server', directory])
    await fixture.line(/^ready/)
    fixture.say('wait')
    fixture.say('save')
    process.kill(numberIn(await fixture.line(/^forked/)), signal)
    expect(JSON.parse((await fixture.line(/^failed/)).slice('failed '.length))).toMatchObject({
      code: 'ERR_CHILD_KILLED',
      signal,
    })
    fixture.say('proceed')
    fixture.say('save')
    await fixture.line(/^saved/)
    fixture.say('close')
    const { code, stdout } = await fixture.closed
    expect(code).toBe(0)
    expect(stdout).not.toContain('handler')
    expect(await published()).toHaveLength(1)
  })
})

describe('Ctrl-C', () => {
  it('to the whole process group: the snapshot that runs and the last one complete', async () => {
    const fixture = new Fixture('fork-parent', ['ctrlC', directory], { detached: true })
    const child = numberIn(await fixture.line(/^forked/))
    fixture.killGroup('SIGINT')
    await fixture.line(/^handler/)
    expect(isAlive(child)).toBe(true)
    await openGate(fixture)
    await fixture.line(/^saved 1/)
    const last = numberIn(await secondFork(fixture))
    fixture.killGroup('SIGINT')
    expect(isAlive(last)).toBe(true)
    await openGate(fixture)
    expect(await fixture.closed).toMatchObject({ code: 0, signal: null })
    expect(await published()).toEqual(['1 at 1', '2 at 2'])
  })

  itUnless(reasonAgainstTerminal(), 'in a real terminal, typed while each child lives', async () => {
    const terminal = ['python3', join(__dirname, '../fixtures/terminal.py'), 'forked']
    const fixture = new Fixture('fork-parent', ['ctrlC', directory], { before: terminal })
    await fixture.line(/^forked/)
    await fixture.line(/handler/)
    await openGate(fixture)
    await fixture.line(/^saved 1/)
    await secondFork(fixture)
    await openGate(fixture)
    expect(await fixture.closed).toMatchObject({ code: 0, signal: null })
    expect(await published()).toEqual(['1 at 1', '2 at 2'])
  })
})

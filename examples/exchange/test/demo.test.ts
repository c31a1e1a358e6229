import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { FileStore } from 'forksnap'
import { Fixture } from '../../../test/helpers/fixture'
import { programOf } from './scripts'

const DEMO = programOf('bench:engine')
/** More than can be filled in before the signal comes. */
const ORDERS = 5_000_000
const FILLED_BYTES = 500_000

let directory: string

beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'forksnap-demo-'))))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const demo = (...args: string[]): Fixture => new Fixture(DEMO, ['--directory', directory, ...args])

function logBytes(): number {
  try {
    const names = readdirSync(join(directory, 'log'))
    return names.reduce((sum, name) => sum + statSync(join(directory, 'log', name)).size, 0)
  } catch {
    return 0 // It is not there yet, or a segment has just got its name.
  }
}

/** Ends the demo with Ctrl-C while it fills the books: the log grows only then, once the state is back. */
async function stopWhileFilling(): Promise<{ stdout: string; position: bigint }> {
  const enough = logBytes() + FILLED_BYTES
  const running = demo('--orders', String(ORDERS), '--log', 'no')
  while (logBytes() < enough && !running.over) await setTimeout(1)
  running.kill('SIGINT')
  const { code, signal, stdout, stderr } = await running.closed
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  const [newest] = await new FileStore({ directory }).list()
  return { stdout, position: newest?.position ?? 0n }
}

describe('Ctrl-C', () => {
  it('while the books are being filled stops that and takes a last snapshot; the next start goes on filling', async () => {
    const first = await stopWhileFilling()
    expect(first.stdout).toMatch(/filled the books with [\d,]+ resting orders.*\nSIGINT: one last snapshot\n/)
    expect(first.position).toBeGreaterThan(0n)
    const second = await stopWhileFilling()
    expect(second.stdout).toMatch(/restored slice 1: .*\n(.*\n)*filled the books with .*\nSIGINT: one last snapshot\n/)
    expect(second.position).toBeGreaterThan(first.position)
  })

  it('while the state is being restored ends at once and says that nothing is lost', async () => {
    // Of a database that never answers nothing is ever restored.
    const silent = net.createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const connected = once(silent, 'connection')
    const running = demo('--store', `postgres://127.0.0.1:${(silent.address() as AddressInfo).port}/none`)
    await connected
    running.kill('SIGINT')
    const { code, stdout } = await running.closed
    silent.close()
    expect(code).toBe(130)
    expect(stdout).toMatch(/SIGINT while the state was being restored: ended at once; nothing is lost/)
  })
})

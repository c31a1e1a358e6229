import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fixture } from '../helpers/fixture'
import { ownerKinds, ownerOf } from '../helpers/file-owner'

let directory: string
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'forksnap-owner-'))))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** A signal is sent at once, but takes effect a little later. */
async function untilStopped(pid: number): Promise<void> {
  const state = (): string | undefined => /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]
  while (state() !== 'T') await new Promise((resolve) => setImmediate(resolve))
}

const describeLinux = process.platform === 'linux' ? describe : describe.skip

describeLinux('an owner of files that is stopped (SIGSTOP) and may wake up at any time', () => {
  it.each(ownerKinds)('%s: keeps a second process out, which changes nothing, until it has ended', async (kind) => {
    const owner = new Fixture('file-owner', [kind, directory])
    await owner.line(/^started$/)
    owner.kill('SIGSTOP')
    await untilStopped(owner.pid)
    const before = readdirSync(directory)
    const second = ownerOf(kind, directory)
    const locked = { code: 'ERR_LOCKED', message: expect.stringContaining(directory) as string }
    for (let attempt = 0; attempt < 2; attempt++) await expect(second.start()).rejects.toMatchObject(locked)
    expect(readdirSync(directory)).toEqual(before)
    owner.kill('SIGCONT')
    owner.say('go on')
    await expect(ownerOf(kind, directory).start()).rejects.toMatchObject(locked)
    owner.kill('SIGKILL')
    await owner.closed
    await second.start()
    await second.close()
  })
})

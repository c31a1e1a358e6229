import { spawnSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fixture, type FixtureOptions } from '../helpers/fixture'
import { asOwnUser, OWN_UID, reasonAgainstOwnUser } from '../helpers/own-user'
import { describeUnless, isRoot, itUnless } from '../helpers/store-fixture'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'forksnap-refused-'))
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function server(options: FixtureOptions = {}, where = directory): Promise<Fixture> {
  const fixture = new Fixture('fork-parent', ['server', where], options)
  await fixture.line(/^ready|"code"/)
  return fixture
}

/** Saves; returns the line that tells how it went. */
async function save(fixture: Fixture, result: RegExp): Promise<string> {
  fixture.say('save')
  return fixture.line(result)
}

const failureIn = (line: string): unknown => JSON.parse(line.slice(line.indexOf('{')))

/** Sets soft limits of the server; as the user that it runs as, who needs no privilege for that. */
function limit(fixture: Fixture, limits: string, before: readonly string[] = []): void {
  const [command = '', ...args] = [...before, 'prlimit', '--pid', String(fixture.pid), limits]
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`prlimit: ${stderr}`)
}

/** The server has saved 1, failed at 2, and saves 3 once the obstacle is gone. */
async function saveAfter(fixture: Fixture): Promise<void> {
  expect(await save(fixture, /^saved (?!1$)/)).toMatch(/^saved \d+$/)
  fixture.say('close')
  expect(await fixture.closed).toMatchObject({ code: 0, stderr: '' })
}

describeUnless(reasonAgainstOwnUser, 'fork() that is refused', () => {
  it('RLIMIT_NPROC: the low-level fork() says what the system said, and works once it may', async () => {
    const fixture = new Fixture('fork-status', ['bareRefused'], { before: asOwnUser })
    await fixture.line(/^tried 0/)
    limit(fixture, '--nproc=1:', asOwnUser)
    fixture.say('again')
    await fixture.line(/^tried 1/)
    limit(fixture, '--nproc=1000:', asOwnUser)
    fixture.say('again')
    const { code, stdout } = await fixture.closed
    const refused = { code: 'ERR_FORK_FAILED', errno: 'EAGAIN', message: expect.stringMatching(/^fork\(\)/) as string }
    expect(JSON.parse(stdout.split('\n').at(-1) ?? '')).toMatchObject([5, refused, 5])
    expect(code).toBe(0)
  })

  it('RLIMIT_NPROC: the error says so, the server goes on, and saves once it may', async () => {
    chownSync(directory, OWN_UID, OWN_UID)
    const fixture = await server({ before: asOwnUser })
    await save(fixture, /^saved 1$/)
    limit(fixture, '--nproc=1:', asOwnUser)
    expect(failureIn(await save(fixture, /^failed/))).toMatchObject({
      code: 'ERR_FORK_FAILED',
      errno: 'EAGAIN',
      message: expect.stringMatching(/goes on unharmed.*RLIMIT_NPROC/) as string,
    })
    limit(fixture, '--nproc=1000:', asOwnUser)
    await saveAfter(fixture)
  })
})

describe('a disk that is full', () => {
  it('RLIMIT_FSIZE: the error names EFBIG, and the next save that fits succeeds', async () => {
    const fixture = await server()
    await save(fixture, /^saved 1$/)
    limit(fixture, '--fsize=100000:')
    fixture.say('widen')
    const failure = failureIn(await save(fixture, /^failed/))
    expect(JSON.stringify(failure)).toContain('EFBIG')
    expect(failure).toMatchObject({
      code: 'ERR_CHILD_FAILED',
      cause: { code: expect.stringMatching(/^(EFBIG|ERR_STORE_FAILED)$/) as string },
    })
    fixture.say('narrow')
    await saveAfter(fixture)
  })

  const disk = mkdtempSync(join(tmpdir(), 'forksnap-disk-'))
  const mounted = isRoot && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', disk]).status === 0
  afterAll(() => {
    if (mounted) spawnSync('umount', [disk])
    rmSync(disk, { recursive: true, force: true })
  })

  itUnless(
    mounted ? null : 'cannot mount a tmpfs',
    'tmpfs: the error names ENOSPC, nothing is left of the slice, and the next save that fits succeeds',
    async () => {
      const fixture = await server({}, disk)
      await save(fixture, /^saved 1$/)
      fixture.say('widen')
      expect(JSON.stringify(failureIn(await save(fixture, /^failed/)))).toContain('ENOSPC')
      fixture.say('narrow')
      await saveAfter(fixture)
    },
  )
})

describe('a second process on the same directory', () => {
  it('is locked out, and the first one goes on', async () => {
    const first = await server()
    const second = await new Fixture('fork-parent', ['server', directory]).closed
    expect(second.code).not.toBe(0)
    expect(second.stderr).toContain('ERR_LOCKED')
    await save(first, /^saved 1$/)
    await saveAfter(first)
  })
})

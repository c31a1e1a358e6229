import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { syncSteps, type SyncStep } from '../../src/failpoint'
import { root, whyNoDisk } from './forgetful-disk'
import { lossAt, probes } from './probes'
import { runRounds } from './rounds'
import { spoolSteps } from './spool-life'

const reason = whyNoDisk()
if (reason !== undefined) console.warn(`Power tests are skipped: ${reason}`)
const describeDisk = reason === undefined ? describe : describe.skip

jest.setTimeout(600_000)

const ROUNDS_OF_ENGINE = 40
const ROUNDS_OF_PARTS = 10

describeDisk('a loss of power at random moments', () => {
  test(`nothing that was acknowledged is lost (${ROUNDS_OF_ENGINE} rounds)`, async () => {
    const report = await runRounds({ program: 'engine', rounds: ROUNDS_OF_ENGINE, seed: Date.now() % 2 ** 31 })
    expect(report.loss).toBeUndefined()
    expect(report.rounds).toBe(ROUNDS_OF_ENGINE)
    for (const count of [report.cuts, report.kills, report.acknowledged, report.saved]) expect(count).toBeGreaterThan(0)
  })

  test(`nor of epochs, resets of a log, damaged slices set aside (${ROUNDS_OF_PARTS} rounds)`, async () => {
    const report = await runRounds({ program: 'parts', rounds: ROUNDS_OF_PARTS, seed: Date.now() % 2 ** 31 })
    expect(report.loss).toBeUndefined()
    expect(report.acknowledged).toBeGreaterThan(0)
  })

  test(`nor of the index of a CommandStore (${ROUNDS_OF_PARTS} rounds)`, async () => {
    const report = await runRounds({ program: 'command-parts', rounds: ROUNDS_OF_PARTS, seed: Date.now() % 2 ** 31 })
    expect(report.loss).toBeUndefined()
    expect(report.acknowledged).toBeGreaterThan(0)
  })
})

const probed = Object.keys(probes) as SyncStep[]

describeDisk('a loss of power at the moment at which one sync is all that counts', () => {
  test.each(probed)('%s: nothing is lost, and without that sync something is', async (step) => {
    const probe = probes[step]
    if (probe === undefined) throw new Error(`no probe for ${step}`)
    await expect(lossAt(probe)).resolves.toBeUndefined()
    await expect(lossAt(probe, step)).resolves.toEqual(expect.any(String))
  })
})

/** Lines of src/ that sync outside of a named step, by file, and why that is right. */
const UNNAMED: { readonly [file: string]: readonly string[] } = {
  // What a command of the shell writes for its user before it says so; no state of a server's depends on it.
  'cli/export-output.ts': [
    'await synced(fsyncFd(fd), (why) => `${path} could not be brought to the disk, and was not kept: ${why}`)',
    'await synced(fsyncDirectory(dirname(path)), lost)',
  ],
  'cli/log-repair.ts': ['await fsyncFd(to)', 'await fsyncDirectory(directory)'],
  // The child's own syncs spread the writing; the store syncs the slice before it gets its name.
  'slice/target.ts': ['fdatasyncSync(fd)'],
  // The step of a new directory is more than one line; the others are the helper that syncs a directory.
  'store/safe-open.ts': [
    'await fsyncDirectory(dirname(path))',
    'export async function fsyncDirectory(path: string): Promise<void> {',
    'await fsyncFd(fd)',
  ],
}

describe('every sync of the code', () => {
  test('that is a named step has a probe', () => {
    expect([...syncSteps].sort()).toEqual([...probed, ...spoolSteps].sort())
  })

  test('is in a named step', () => {
    const source = join(root, 'src')
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    const unnamed: { [file: string]: string[] } = {}
    for (const name of files) {
      const lines = readFileSync(join(source, name), 'utf8').split('\n')
      const syncs = lines.filter((line) => /\bf(data)?sync\w*\(/.test(line) && !line.includes('syncStep('))
      if (syncs.length > 0) unnamed[name] = syncs.map((line) => line.trim())
    }
    expect(unnamed).toEqual(UNNAMED)
  })
})

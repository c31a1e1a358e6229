import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fixture, runFixture } from '../helpers/fixture'

const directory = mkdtempSync(join(tmpdir(), 'forksnap-recover-large-'))
const small = { nodeOptions: ['--max-old-space-size=40'] }

beforeAll(() => runFixture('recover-large', ['make', directory]))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('recover() with a heap of 40 MB', () => {
  it('reads a slice and a log that would not fit into it', async () => {
    const seen = await runFixture('recover-large', ['recover', directory], small)
    expect(seen).toEqual({ rows: 400_000, entries: 100_000, megabytes: 123 })
  })

  it('would not if the rows were kept', async () => {
    const { code, signal, stderr } = await new Fixture('recover-large', ['keep', directory], small).closed
    expect([code === 0, `${signal} ${stderr}`]).toEqual([false, expect.stringContaining('heap out of memory')])
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runFixture } from '../helpers/fixture'
import { describeUnless } from '../helpers/store-fixture'
import { linkUvFaults, reasonAgainstUvFaults } from '../helpers/uv-faults'

describeUnless(reasonAgainstUvFaults, 'a call of libuv, or mmap, that fails on the way to a fork', () => {
  let folder: string
  let addon: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'forksnap-uv-'))
    addon = linkUvFaults(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each([
    ['the page that is shared with the child', 'page', 'mmap', 'ENOMEM'],
    ['the handle that wakes the loop', 'asyncInit', 'uv_async_init', 'EMFILE'],
    ['the first work that is to park the pool', 'firstWork', 'uv_queue_work', 'ENOMEM'],
    ['a later one, while others are parked', 'laterWork', 'uv_queue_work', 'ENOMEM'],
  ])('%s: a typed error, everybody is let go, and the next fork works', async (_what, scenario, call, errno) => {
    expect(await runFixture('uv-faults', [scenario], { env: { FORKSNAP_ADDON: addon } })).toMatchObject({
      values: ['before', 'after'],
      refused: {
        code: 'ERR_FORK_FAILED',
        errno,
        message: expect.stringContaining(`${call}() failed with ${errno}`) as string,
      },
      released: true,
    })
  })
})

it('a pool whose threads have left again before they were counted is not taken for one of none', async () => {
  expect(await runFixture('uv-faults', ['learnsNothing'])).toEqual({
    before: false,
    poolKnown: false,
    poolNeeded: 8,
    value: 'forked',
  })
})

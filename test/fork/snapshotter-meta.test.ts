import { runScenario } from '../helpers/snapshotter-run'

const run = (scenario: string) => runScenario('snapshotter-meta', scenario)

describe('what meta() returned', () => {
  it("is what the fork's instant had, everywhere, though the engine goes on with the same object", async () => {
    const meta = { position: '5n', orders: { open: 3 } }
    expect(await run('liveObject')).toEqual({
      ...{ saved: meta, header: meta, listed: meta, positions: ['5n', '5n'], synced: ['5n'] },
      live: { position: '99n', orders: { open: 98 } },
    })
  })

  it('is read once: a getter gives log, store and slice the same position', async () => {
    const meta = { position: '7n' }
    expect(await run('getter')).toEqual({
      ...{ saved: meta, header: meta, listed: meta, positions: ['7n', '7n'], synced: ['7n'] },
    })
  })

  it('is refused before the fork if no slice can hold it, and the next save works', async () => {
    expect(await run('refused')).toEqual({
      ...{ outcomes: ['ERR_INVALID_VALUE'], count: 9, failures: 9, published: ['1'] },
      ...{ forks: 2, files: 2 },
    })
  })

  it('may not go back behind the newest slice, which stays the newest; after reset() it may', async () => {
    expect(await run('goesBack')).toEqual({
      message: expect.stringMatching(/gone back: it is 9n, the newest slice has 10n?.*or call reset\(\)/) as string,
      ...{ restarted: ['ERR_INVALID_VALUE', 0], newest: '10n', same: '10n' },
      ...{ reset: { position: '2n', epoch: '2n' }, afterReset: 'ERR_INVALID_VALUE', newestAtLast: '2n' },
    })
  })
})

describe('the longest gap', () => {
  it('counts from save() on, what the store does included, and is told for a save that failed', async () => {
    const gaps = (await run('gapInCreate')) as Record<'ofFailed' | 'longestGapMs' | 'ofSaved', number>
    expect(gaps).toMatchObject({ code: 'ERR_CHILD_FAILED', ofSaved: gaps.longestGapMs })
    expect(gaps.ofFailed).toBeGreaterThanOrEqual(40)
    expect(gaps.longestGapMs).toBeGreaterThanOrEqual(40)
  })
})

describe('a value that is computed', () => {
  it('is never computed by the warm-up, and once by each child', async () => {
    expect(await run('computedValue')).toEqual({ warmUps: true, calls: 0, values: [1, 1] })
  })
})

describe('a trailer as long as the format admits', () => {
  it('is saved through every kind of store, whatever it needs in memory', async () => {
    const values = { ok: true, values: ['x'], blobs: 0 }
    const names = { ok: true, values: [], blobs: 10_000 }
    expect(await run('largeTrailersAreSaved')).toEqual({
      ...{ 'text in a file': values, 'text through a pipe': values },
      ...{ 'numbers in a file': values, 'numbers through a pipe': values },
      ...{ 'names in a file': names, 'names through a pipe': names },
    })
  })
})

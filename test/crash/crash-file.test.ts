import { filePlaces } from './places'
import { runRounds, runToFailpoint } from './rounds'

const ROUNDS = 200
const SEED = 20261123

describe('an engine with a FileStore and a FileOperationLog loses nothing that it has acknowledged', () => {
  it.each(filePlaces.failpoints.map((name, index) => ({ name, index })))(
    'when it dies at $name',
    async ({ name, index }) => {
      expect(await runToFailpoint(filePlaces, name, SEED + index)).toBe(true)
    },
  )

  it(`when it dies ${ROUNDS} times, at random moments and failpoints`, async () => {
    // Two lives at a time, since an engine mostly waits for the disk and its child.
    const reports = await Promise.all([1, 2].map((seed) => runRounds(filePlaces, ROUNDS / 2, SEED + seed)))
    for (const { acknowledged, saved } of reports) expect([acknowledged > 0, saved > 0]).toEqual([true, true])
  }, 300_000)
})

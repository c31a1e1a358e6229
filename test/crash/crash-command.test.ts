import { commandPlaces } from './places'
import { runRounds, runToFailpoint } from './rounds'

/** The commands make a round dearer than one of files: `npm run stress:crash -- --store command` does as many as asked. */
const ROUNDS = 100
const SEED = 20261125

const own = commandPlaces.failpoints.filter((name) => name.startsWith('store.command.'))

describe('an engine with a CommandStore and a FileOperationLog loses nothing that it has acknowledged', () => {
  it.each(own.map((name, index) => ({ name, index })))('when it dies at $name', async ({ name, index }) => {
    expect(await runToFailpoint(commandPlaces, name, SEED + index)).toBe(true)
  })

  it(`when it dies ${ROUNDS} times, at random moments and failpoints`, async () => {
    const reports = await Promise.all([1, 2].map((seed) => runRounds(commandPlaces, ROUNDS / 2, SEED + seed)))
    for (const { acknowledged, saved } of reports) expect([acknowledged > 0, saved > 0]).toEqual([true, true])
  }, 300_000)
})

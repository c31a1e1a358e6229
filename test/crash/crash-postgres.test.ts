import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { describeUnless } from '../helpers/store-fixture'
import { postgresPlaces, type Databases } from './places'
import { runRestarts } from './restarts'
import { runRounds, runToFailpoint } from './rounds'

const ROUNDS = 200
const RESTARTS = 100
const SEED = 20261124

let cluster: Cluster

const places = postgresPlaces({
  createDatabase: () => cluster.createDatabase(),
  url: (database) => cluster.url(database),
  sql: (database, text) => cluster.sql(database, text),
} satisfies Databases)

describeUnless(reasonAgainstPostgres, 'an engine with its slices and its log in PostgreSQL loses nothing', () => {
  beforeAll(async () => {
    cluster = await Cluster.start()
  })

  afterAll(() => cluster.dispose())

  it.each(places.failpoints.map((name, index) => ({ name, index })))(
    'when it dies at $name',
    async ({ name, index }) => {
      expect(await runToFailpoint(places, name, SEED + index)).toBe(true)
    },
  )

  it(`when it dies ${ROUNDS} times, at random moments and failpoints`, async () => {
    const reports = await Promise.all([1, 2].map((seed) => runRounds(places, ROUNDS / 2, SEED + seed)))
    for (const { acknowledged, saved } of reports) expect([acknowledged > 0, saved > 0]).toEqual([true, true])
  }, 300_000)

  it(`when the server crashes and starts again ${RESTARTS} times, in the middle of slices and of batches`, async () => {
    const place = cluster.url(await cluster.createDatabase())
    const report = await runRestarts(place, () => cluster.restart('immediate'), RESTARTS, SEED)
    expect(report.restarts).toBe(RESTARTS)
    for (const count of [report.duringSnapshots, report.saved, report.notSaved]) expect(count).toBeGreaterThan(0)
  }, 600_000)
})

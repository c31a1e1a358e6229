import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { describeUnless } from '../helpers/store-fixture'
import { postgresPlaces, type Databases } from './places'
import { runRestarts } from './restarts'
import { runRounds, runToFailpoint } from './rounds'

const ROUNDS = 200
/** These only differ in how a start begins, and in where a slice waits. */
const RESTART_ROUNDS = 10
const SPOOL_ROUNDS = 30
const RESTARTS = 100
const SEED = 20261124

let cluster: Cluster

const databases = {
  createDatabase: () => cluster.createDatabase(),
  url: (database: string) => cluster.url(database),
  sql: (database: string, text: string) => cluster.sql(database, text),
} satisfies Databases

const places = postgresPlaces(databases)
const spoolPlaces = postgresPlaces(databases, 'spool')

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

  it(`when it dies ${RESTART_ROUNDS} times and each start is an ordinary one, which waits for the lock`, async () => {
    const { acknowledged, saved } = await runRounds(postgresPlaces(databases, 'restart'), RESTART_ROUNDS, SEED)
    expect([acknowledged > 0, saved > 0]).toEqual([true, true])
  }, 120_000)

  it.each(spoolPlaces.failpoints.map((name, index) => ({ name, index })))(
    'when it spools its slices and dies at $name',
    async ({ name, index }) => {
      expect(await runToFailpoint(spoolPlaces, name, SEED + index)).toBe(true)
    },
  )

  it(`when it spools its slices and dies ${SPOOL_ROUNDS} times, at random moments and failpoints`, async () => {
    const { acknowledged, saved } = await runRounds(spoolPlaces, SPOOL_ROUNDS, SEED)
    expect([acknowledged > 0, saved > 0]).toEqual([true, true])
  }, 120_000)

  it(`when the server crashes and starts again ${RESTARTS} times, in the middle of slices and of batches`, async () => {
    const place = JSON.stringify({ url: cluster.url(await cluster.createDatabase()), use: 'takeover' })
    const report = await runRestarts(place, () => cluster.restart('immediate'), RESTARTS, SEED)
    expect(report.restarts).toBe(RESTARTS)
    for (const count of [report.duringSnapshots, report.saved, report.notSaved]) expect(count).toBeGreaterThan(0)
  }, 600_000)
})

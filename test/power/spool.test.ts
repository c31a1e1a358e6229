import { reasonAgainstPostgres } from '../helpers/postgres'
import { StoreTests } from '../helpers/postgres-store-tests'
import { describeUnless } from '../helpers/store-fixture'
import { whyNoDisk } from './forgetful-disk'
import { SpoolLife, type SpoolStep, spoolSteps } from './spool-life'

const reason = whyNoDisk() ?? reasonAgainstPostgres

describeUnless(reason, 'A loss of power below the spool of a PostgresStore', () => {
  const tests = new StoreTests()

  /** One life on a disk of its own, with a database of its own. */
  async function withLife<T>(skip: SpoolStep | undefined, work: (life: SpoolLife) => Promise<T>): Promise<T> {
    tests.database = await tests.cluster.createDatabase()
    const life = await SpoolLife.begin(tests.cluster.url(tests.database), skip)
    try {
      return await work(life)
    } finally {
      await tests.stores.closeAll()
      await life.end()
    }
  }

  /** What is listed once a store has loaded all that it found. */
  async function found(life: SpoolLife): Promise<unknown[]> {
    const store = await tests.started(life.options)
    await life.emptied()
    return store.list()
  }

  const lives: { readonly [step in SpoolStep]: (life: SpoolLife) => Promise<void> } = {
    'store.postgres.spool.unlink.directory-sync': (life) =>
      life.untilPowerFails(async (server) => {
        await server.do('save')
        await life.emptied()
        await server.do('remove')
      }),
    'store.postgres.spool.start.directory-sync': async (life) => {
      await life.killedAt('store.postgres.spool.unlink.directory-sync.before')
      await life.untilPowerFails(async (server) => void (await server.do('remove')))
    },
  }

  it.each(spoolSteps)('%s: what was removed stays so, and without that sync it is there again', async (step) => {
    const left = (skip?: SpoolStep) =>
      withLife(skip, async (life) => {
        await lives[step](life)
        return found(life)
      })
    expect(await left()).toEqual([])
    expect(await left(step)).toHaveLength(1)
  })

  it('a file that comes back is found in the database, and not loaded again', async () => {
    await withLife('store.postgres.spool.unlink.directory-sync', async (life) => {
      await life.untilPowerFails(async (server) => {
        await server.do('save')
        await life.emptied()
      })
      expect(life.waiting).toHaveLength(1)
      expect(await found(life)).toHaveLength(1)
      expect(await tests.sql('SELECT count(*), count(DISTINCT n) AS n FROM numbers')).toEqual([
        { count: '20000', n: '20000' },
      ])
    })
  })
})

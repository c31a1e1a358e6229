import type { PostgresStore, PostgresStoreOptions } from '../../src/store/postgres'
import { Cluster, type ClusterOptions } from './postgres'
import { CuttingProxy } from './postgres-proxy'
import { numbers, PostgresStores, publishInto, readAll, until } from './postgres-store'

export type StoreOptions = Partial<PostgresStoreOptions>
type Rows = Record<string, string>[]

/**
 * One cluster for a test file, with a proxy before it; a fresh database for each test; stores that a test leaves open are
 * closed. Made within `describe`.
 */
export class StoreTests {
  readonly stores = new PostgresStores()
  cluster!: Cluster
  proxy!: CuttingProxy
  database = ''

  constructor(options: ClusterOptions = {}) {
    beforeAll(async () => {
      this.cluster = await Cluster.start(options)
      this.proxy = await CuttingProxy.start(this.cluster)
    })
    beforeEach(async () => {
      this.database = await this.cluster.createDatabase()
    })
    afterEach(async () => {
      await this.stores.closeAll()
      this.proxy.muteAt(undefined)
    })
    afterAll(async () => {
      await this.proxy.close()
      await this.cluster.dispose()
    })
  }

  /** A store that is not started. */
  make(options: StoreOptions = {}): PostgresStore {
    return this.stores.make(this.cluster.config(this.database), options)
  }

  started(options: StoreOptions = {}): Promise<PostgresStore> {
    return this.stores.started(this.cluster.config(this.database), options)
  }

  startedThroughProxy(options: StoreOptions = {}): Promise<PostgresStore> {
    return this.stores.started(this.proxy.config(this.database), options)
  }

  readonly sql = (text: string): Promise<Rows> => this.cluster.sql(this.database, text)

  /** Until a writer process has given all of a slice to the server. */
  copied(): Promise<void> {
    return until(() =>
      this.sql(`SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE 'COPY%'`),
    )
  }

  /** The store works, and holds what it should: these slices of `numbers`, newest first, and one more. */
  async checkWorks(store: PostgresStore, expected: readonly bigint[]): Promise<void> {
    const { sliceId } = await publishInto(store, numbers(7), { position: 99n })
    expect((await store.list()).map((info) => info.sliceId)).toEqual([sliceId, ...expected])
    const rows = await this.sql('SELECT slice_id, count(*) AS count FROM numbers GROUP BY 1 ORDER BY 1 DESC')
    expect(rows.map((row) => BigInt(row.slice_id))).toEqual([sliceId, ...expected])
    const source = await store.open(sliceId)
    expect((await readAll(source)).rows).toHaveLength(7)
    await source.close()
  }
}

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Failpoint, SyncStep } from '../../src/failpoint'
import type { PostgresStoreOptions } from '../../src/store/postgres'
import { StoreServer } from '../helpers/postgres-server'
import { until } from '../helpers/postgres-store'
import { ForgetfulDisk } from './forgetful-disk'

/** The steps that sync the spool of a PostgresStore. Their probes need a server beside the disk: spool.test.ts. */
export const spoolSteps = [
  'store.postgres.spool.start.directory-sync',
  'store.postgres.spool.unlink.directory-sync',
] as const satisfies readonly SyncStep[]

export type SpoolStep = (typeof spoolSteps)[number]

/** Servers, one after the other, that save into a database that forgets nothing, by a spool on a disk that does. */
export class SpoolLife {
  readonly #disk: ForgetfulDisk
  readonly #options: Pick<PostgresStoreOptions, 'connection'>
  readonly #skip: SpoolStep | undefined

  private constructor(disk: ForgetfulDisk, connection: PostgresStoreOptions['connection'], skip?: SpoolStep) {
    this.#disk = disk
    this.#options = { connection }
    this.#skip = skip
  }

  static async begin(connection: PostgresStoreOptions['connection'], skip?: SpoolStep): Promise<SpoolLife> {
    return new SpoolLife(await ForgetfulDisk.start(), connection, skip)
  }

  end(): Promise<void> {
    return this.#disk.stop()
  }

  get options(): PostgresStoreOptions {
    return { ...this.#options, spool: true, spoolDirectory: join(this.#disk.path, 'spool') }
  }

  /** Names of the slices that wait. */
  get waiting(): string[] {
    return readdirSync(join(this.#disk.path, 'spool')).filter((name) => name.endsWith('.slice'))
  }

  /** Until all of them have been loaded and their files are gone, or seem so. */
  emptied(): Promise<void> {
    return until(() => Promise.resolve(this.waiting.length === 0 ? [true] : []))
  }

  /** A server that is killed at a failpoint while it saves. */
  async killedAt(failpoint: Failpoint): Promise<void> {
    const server = await this.#started({ FORKSNAP_FAILPOINT: failpoint })
    server.fixture.say('save')
    const { signal } = await server.fixture.closed
    if (signal !== 'SIGKILL') throw new Error(`the server did not come to ${failpoint}`)
  }

  /** A server that does this and has told so when the power goes. What was not synced is lost. */
  async untilPowerFails(work: (server: StoreServer) => Promise<void>): Promise<void> {
    const server = await this.#started()
    await work(server)
    await this.#disk.cut(1, 'none', 'none')
    server.fixture.kill('SIGKILL')
    await server.fixture.closed
    await this.#disk.on()
  }

  async #started(env: Readonly<Record<string, string>> = {}): Promise<StoreServer> {
    const skipped = this.#skip === undefined ? {} : { FORKSNAP_SKIP_SYNC: this.#skip }
    const server = new StoreServer(this.options, { env: { ...skipped, ...env } })
    await server.do('start')
    return server
  }
}

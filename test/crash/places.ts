import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Failpoint, failpoints } from '../../src/failpoint'
import type { Draw } from '../power/draw'

/** Where engines keep slices and log, and what the tests do there between two runs. */
export interface Place {
  /** The engine's program. */
  readonly program: string
  /** `EngineSettings.place`. */
  readonly name: string
  /** Damages the newest slice; false if that cannot be done, or there is no older one that could take its place. */
  damageNewestSlice(draw: Draw): boolean
  /** Makes the end of the log look like one that a crash has left half written. */
  tearLog(draw: Draw): void
  /** Removes it. */
  end(): Promise<void>
}

export interface Places {
  readonly kind: 'file' | 'postgres'
  /** Those that an engine with such a place can come to. */
  readonly failpoints: readonly Failpoint[]
  make(): Promise<Place>
}

const FILE_FAILPOINT = /^(oplog\.file|store\.file|snapshot|slice|directory)\./
const POSTGRES_FAILPOINT = /^(oplog\.postgres|store\.postgres|snapshot)\.(?!spool)/

export const filePlaces: Places = {
  kind: 'file',
  failpoints: failpoints.filter((name) => FILE_FAILPOINT.test(name)),
  make: () => Promise.resolve(new FilePlace()),
}

const TORN_BYTES_MAX = 60

class FilePlace implements Place {
  readonly program = 'crash-file'
  readonly name = mkdtempSync(join(tmpdir(), 'forksnap-crash-'))

  damageNewestSlice(draw: Draw): boolean {
    const slices = this.#files('slices', '.slice')
    const newest = slices.at(-1)
    if (newest === undefined || slices.length < 2) return false
    const bytes = readFileSync(newest)
    const at = draw.whole(0, bytes.length - 1)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << draw.whole(0, 7))
    writeFileSync(newest, bytes)
    return true
  }

  tearLog(draw: Draw): void {
    const segment = this.#files('log', '.oplog').at(-1)
    const torn = Buffer.from(Array.from({ length: draw.whole(1, TORN_BYTES_MAX) }, () => draw.whole(0, 255)))
    if (segment !== undefined) appendFileSync(segment, torn)
  }

  end(): Promise<void> {
    rmSync(this.name, { recursive: true, force: true })
    return Promise.resolve()
  }

  /** By rising epoch and position, since names sort like that. */
  #files(folder: string, ending: string): string[] {
    const path = join(this.name, folder)
    const names = readdirSync(path).filter((name) => name.endsWith(ending))
    return names.sort().map((name) => join(path, name))
  }
}

/** What a cluster of the tests gives. */
export interface Databases {
  createDatabase(): Promise<string>
  url(database: string): string
  sql(database: string, text: string): Promise<unknown>
}

export function postgresPlaces(databases: Databases): Places {
  return {
    kind: 'postgres',
    failpoints: failpoints.filter((name) => POSTGRES_FAILPOINT.test(name)),
    async make() {
      const database = await databases.createDatabase()
      return {
        program: 'crash-postgres',
        name: databases.url(database),
        damageNewestSlice: () => false,
        tearLog: () => undefined,
        end: async () => void (await databases.sql('postgres', `DROP DATABASE "${database}" WITH (FORCE)`)),
      }
    },
  }
}

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
  readonly kind: 'file' | 'command' | 'postgres'
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

/** The epoch of a CommandStore is kept as a FileStore's is. */
const COMMAND_FAILPOINT = /^(oplog\.file|store\.command|store\.file\.epoch\.(sync|rename)|snapshot|directory)\./

export const commandPlaces: Places = {
  kind: 'command',
  failpoints: failpoints.filter((name) => COMMAND_FAILPOINT.test(name)),
  make: () => Promise.resolve(new CommandPlace()),
}

const TORN_BYTES_MAX = 60

class FilePlace implements Place {
  readonly program: string = 'crash-file'
  readonly name = mkdtempSync(join(tmpdir(), 'forksnap-crash-'))

  damageNewestSlice(draw: Draw): boolean {
    const slices = this.slices()
    const newest = slices.at(-1)
    if (newest === undefined || slices.length < 2) return false
    const bytes = readFileSync(newest)
    const at = draw.whole(0, bytes.length - 1)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << draw.whole(0, 7))
    writeFileSync(newest, bytes)
    return true
  }

  tearLog(draw: Draw): void {
    const segment = this.files('log', '.oplog').at(-1)
    const torn = Buffer.from(Array.from({ length: draw.whole(1, TORN_BYTES_MAX) }, () => draw.whole(0, 255)))
    if (segment !== undefined) appendFileSync(segment, torn)
  }

  /** Paths of the published slices' bytes, oldest first. */
  protected slices(): string[] {
    return this.files('slices', '.slice')
  }

  end(): Promise<void> {
    rmSync(this.name, { recursive: true, force: true })
    return Promise.resolve()
  }

  /** By rising epoch and position, since names sort like that. */
  protected files(folder: string, ending: string): string[] {
    const path = join(this.name, folder)
    const names = readdirSync(path).filter((name) => name.endsWith(ending))
    return names.sort().map((name) => join(path, name))
  }
}

class CommandPlace extends FilePlace {
  override readonly program = 'crash-command'

  protected override slices(): string[] {
    const ids = this.files('index', '.entry').map((path) => BigInt(/-i(\d+)\.entry$/.exec(path)?.[1] ?? 0))
    return ids.map((id) => join(this.name, `stored-${id}`))
  }
}

/** What a cluster of the tests gives. */
export interface Databases {
  createDatabase(): Promise<string>
  url(database: string): string
  sql(database: string, text: string): Promise<unknown>
}

/** How an engine's store in PostgreSQL is used: each start takes over, or waits for the lock, or spools into files. */
export type PostgresUse = 'takeover' | 'restart' | 'spool'

/** Slices get their names in the spool as in a FileStore; one that is loaded is written by the writer process. */
const SPOOL_FAILPOINT = /^store\.(postgres\.(spool|insert|commit)|file\.slice)\./

export function postgresPlaces(databases: Databases, use: PostgresUse = 'takeover'): Places {
  const pattern = use === 'spool' ? SPOOL_FAILPOINT : POSTGRES_FAILPOINT
  return {
    kind: 'postgres',
    failpoints: failpoints.filter((name) => pattern.test(name)),
    async make() {
      const database = await databases.createDatabase()
      const spool = mkdtempSync(join(tmpdir(), 'forksnap-crash-spool-'))
      return {
        program: 'crash-postgres',
        name: JSON.stringify({ url: databases.url(database), use, spool }),
        damageNewestSlice: () => false,
        tearLog: () => undefined,
        async end() {
          rmSync(spool, { recursive: true, force: true })
          await databases.sql('postgres', `DROP DATABASE "${database}" WITH (FORCE)`)
        },
      }
    },
  }
}

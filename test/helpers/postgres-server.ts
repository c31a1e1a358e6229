import type { PostgresStoreOptions } from '../../src/store/postgres'
import { Fixture, type FixtureOptions } from './fixture'

/** A server with a PostgresStore in a process of its own. */
export class StoreServer {
  readonly fixture: Fixture

  constructor(
    options: Omit<PostgresStoreOptions, 'onSpoolError'> & { spoolErrors?: boolean },
    how: FixtureOptions = {},
  ) {
    this.fixture = new Fixture('postgres-store-server', [], how)
    this.fixture.say(JSON.stringify(options))
  }

  /** Gives a command; resolves with what it came to. Each command is given once, so that its answer is known. */
  async do(command: string): Promise<Record<string, unknown>> {
    this.fixture.say(command)
    return this.answer(command)
  }

  async answer(command: string): Promise<Record<string, unknown>> {
    const line = await this.fixture.line(new RegExp(`^\\{"${command}":`))
    return (JSON.parse(line) as Record<string, Record<string, unknown>>)[command]
  }

  /** Until the child of a save lives. */
  async forked(): Promise<number> {
    return Number(await this.answer('forked'))
  }
}

import { Fixture } from '../../../test/helpers/fixture'
import type { StatusView } from '../status/view'

/** The program with a status page (test/fixtures/status-page.ts), told what to do line by line. */
export class StatusFixture {
  private commands = 0

  private constructor(
    private readonly fixture: Fixture,
    readonly url: string,
  ) {}

  static async start(): Promise<StatusFixture> {
    const fixture = new Fixture('status-page')
    const line = await fixture.line(/^port \d+$/)
    return new StatusFixture(fixture, `http://127.0.0.1:${line.slice('port '.length)}`)
  }

  /** Resolves with the answer once it is done. */
  async say(command: string): Promise<string> {
    const number = ++this.commands
    this.fixture.say(command)
    const line = await this.fixture.line(new RegExp(`^done ${number} `))
    return line.slice(`done ${number} `.length)
  }

  async view(since = 0): Promise<StatusView> {
    return (await (await fetch(`${this.url}/status.json?since=${since}`)).json()) as StatusView
  }

  /** Ends the program, which takes its folder along; resolves once it is gone. */
  async end(): Promise<void> {
    if (!this.fixture.over) this.fixture.say('quit')
    await this.fixture.closed
  }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fixture, type FixtureEnd } from '../../../test/helpers/fixture'
import { ExchangeClient } from './exchange-client'

/** A line of the server's log. */
export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [key: string]: unknown
}

/** The server as a program, which `npm test` has built before. It may fork, and it may be killed. */
export class ServerProgram {
  readonly #fixture: Fixture
  readonly #clients: ExchangeClient[] = []

  private constructor(
    fixture: Fixture,
    readonly port: number,
  ) {
    this.#fixture = fixture
  }

  /** Resolves once it listens. */
  static async start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<ServerProgram> {
    const fixture = ServerProgram.launch(args, env)
    const { port } = JSON.parse(await fixture.line(/"msg":"listening"/)) as { port: number }
    return new ServerProgram(fixture, port)
  }

  static launch(args: readonly string[], env: Readonly<Record<string, string>> = {}): Fixture {
    const program = '../../examples/exchange/server/main'
    return new Fixture(program, ['--port', '0', '--interval', '0', ...args], { env })
  }

  get pid(): number {
    return this.#fixture.pid
  }

  get ended(): Promise<FixtureEnd> {
    return this.#fixture.closed
  }

  get over(): boolean {
    return this.#fixture.over
  }

  client(): ExchangeClient {
    const client = new ExchangeClient(this.port)
    this.#clients.push(client)
    return client
  }

  /** The first line of its log, past or to come, whose message matches. */
  async logged(message: string): Promise<LogLine> {
    return JSON.parse(await this.#fixture.line(new RegExp(`"msg":"${message}`))) as LogLine
  }

  kill(signal: NodeJS.Signals): void {
    this.#fixture.kill(signal)
  }

  /** Sends a signal and resolves when it has ended. */
  async end(signal: NodeJS.Signals): Promise<FixtureEnd> {
    this.kill(signal)
    const end = await this.ended
    for (const client of this.#clients.splice(0)) client.close()
    return end
  }
}

export function linesOf({ stdout }: FixtureEnd): LogLine[] {
  return stdout.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as LogLine) // prettier-ignore
}

/** A folder of its own for each test. */
export function temporaryDirectory(): { readonly path: string } {
  let path = ''
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'exchange-program-'))
  })
  afterEach(() => rmSync(path, { recursive: true, force: true }))
  return {
    get path() {
      return path
    },
  }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digest } from '../digest'
import { startExchange, type RunningExchange, type StartSettings } from '../server/start'
import { ExchangeClient } from './exchange-client'

/** A server within the test's own process: it takes no snapshots there, since a test runner must not fork. */
export class TestServer {
  readonly directory = mkdtempSync(join(tmpdir(), 'exchange-server-'))
  readonly #clients: ExchangeClient[] = []
  #running: RunningExchange | undefined

  static async start(settings: StartSettings = {}): Promise<TestServer> {
    const server = new TestServer()
    await server.start(settings)
    return server
  }

  async start(settings: StartSettings = {}): Promise<void> {
    const { directory } = this
    this.#running = await startExchange({ directory, port: 0, log: 'no', intervalMs: 0, ...settings })
  }

  get exchange(): RunningExchange {
    if (this.#running === undefined) throw new Error('the server is not running')
    return this.#running
  }

  /** Of the whole state: what has changed nothing leaves it as it was. */
  digest(): string {
    return digest(this.exchange.engine)
  }

  client(): ExchangeClient {
    const client = new ExchangeClient(this.exchange.port)
    this.#clients.push(client)
    return client
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close()
    await this.#running?.close({ save: false })
    this.#running = undefined
  }

  async dispose(): Promise<void> {
    await this.stop().finally(() => rmSync(this.directory, { recursive: true, force: true }))
  }
}

import { from } from 'pg-copy-streams'
import type { Session } from '../postgres/session'

/** What may wait in memory for the server, so that reading goes on while it works. */
const BUFFERED_BYTES_MAX = 1024 * 1024

/** One `COPY ... FROM STDIN`. Every method rejects as soon as the server or the connection has failed. */
export class CopyIn {
  readonly #session: Session
  readonly #doing: string
  readonly #stream: ReturnType<typeof from>
  #failure: Error | undefined
  #fail: (error: Error) => void = () => undefined

  constructor(session: Session, doing: string, sql: string) {
    this.#session = session
    this.#doing = doing
    this.#stream = session.client.query(from(sql, { highWaterMark: BUFFERED_BYTES_MAX }))
    this.#stream.on('error', (error) => {
      this.#failure ??= session.error(error, doing)
      this.#fail(this.#failure)
    })
  }

  /** Resolves when there is room for more. The bytes must not change any more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#stream.write(bytes)) return
    await this.#event('drain')
  }

  /** Resolves with the number of rows that the server has taken. */
  async end(): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure
    const finished = this.#event('finish')
    this.#stream.end()
    await finished
    return this.#stream.rowCount
  }

  /** The server may take its time: there are indexes, foreign keys and triggers. */
  #event(name: 'drain' | 'finish'): Promise<void> {
    const happens = new Promise<void>((resolve, reject) => {
      this.#fail = reject
      this.#stream.once(name, resolve)
    })
    return this.#session.patiently(this.#doing, () => happens)
  }
}

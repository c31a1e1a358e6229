import { setTimeout as pause } from 'node:timers/promises'
import { backOffMs } from '../back-off'
import { isForksnapError } from '../errors'
import { plainConnection, sqlStateOf } from '../postgres/connection'
import { Owner, type OwnerOptions } from '../postgres/epoch'
import { endBackend, Session } from '../postgres/session'
import { Exclusive } from '../store/exclusive'
import type { CheckedLogOptions } from './postgres-options'

/**
 * The log's one writing connection, which holds the lock. When it is lost, another one takes its place: the old one is
 * ended at the server first, so that nothing that it was told can still happen, then the lock is taken again, and only
 * then is there a look at what is in the table.
 */
export class Link {
  readonly owner: Owner
  readonly #options: CheckedLogOptions
  /** One after the other: two that find the connection lost must not both replace it. */
  readonly #turns = new Exclusive()
  #session: Session
  #onLost: (() => void) | undefined
  /** Whether the table may hold something else than what is known of it. Only who has looked there clears it. */
  #unsure = false

  private constructor(options: CheckedLogOptions, session: Session, owner: Owner) {
    this.#options = options
    this.#session = session
    this.owner = owner
    this.#listen(session)
  }

  /** Connects, takes the lock and begins an epoch. Rejects with `ERR_LOCKED`, `ERR_STORE_FAILED`. */
  static async open(options: CheckedLogOptions): Promise<Link> {
    const session = await connect(options)
    try {
      return new Link(options, session, await Owner.acquire(session, ownerOptions(options)))
    } catch (error) {
      await session.close()
      throw error
    }
  }

  /** The connection as it is now. `run` may replace it. */
  get session(): Session {
    return this.#session
  }

  /**
   * Runs work until it succeeds, over another connection if need be. `unsure` tells the work that an earlier try may have
   * been committed although no answer came, or that the server may have been set back: it looks at the table then, unless
   * it leaves nothing there that was there before. Rejects at once with what no retry can mend, and with the last error
   * when `retry.totalMs` have passed since the first.
   */
  run<T>(work: (session: Session, unsure: boolean) => Promise<T>): Promise<T> {
    return this.#turns.run(() =>
      this.#retry(async (session) => {
        const result = await work(session, this.#unsure)
        this.#unsure = false
        return result
      }),
    )
  }

  /**
   * Replaces a lost connection though nothing is to be written, until it succeeds or `giveUp` says that it need not.
   * `look` compares the table with what is known of it and rejects if they differ; it resolves with false if it could
   * not tell, and whoever writes next looks then.
   */
  restore(look: (session: Session) => Promise<boolean>, giveUp: () => boolean): Promise<void> {
    return this.#turns.run(() =>
      this.#retry(async (session) => {
        if (this.#unsure && (await look(session))) this.#unsure = false
      }, giveUp),
    )
  }

  async #retry<T>(work: (session: Session) => Promise<T>, giveUp = (): boolean => false): Promise<T> {
    const { retry } = this.#options
    let deadline: number | undefined
    for (let failures = 1; ; failures++) {
      try {
        await this.#mend()
        return await this.#limited(this.#session, () => work(this.#session))
      } catch (error) {
        this.#unsure = true
        deadline ??= performance.now() + retry.totalMs
        const delayMs = backOffMs(failures, retry)
        if (!this.#mayPass(error) || giveUp() || performance.now() + delayMs > deadline) throw error
        await pause(delayMs)
      }
    }
  }

  /** What to call when the present connection, or one that has replaced it, ends. */
  set onLost(then: () => void) {
    this.#onLost = then
  }

  #listen(session: Session): void {
    session.client.once('end', () => {
      if (session === this.#session) this.#onLost?.()
    })
  }

  /** Gives the lock back and ends the connection. */
  async close(): Promise<void> {
    await this.#turns.run(() => this.#limited(this.#session, () => this.#session.close()))
  }

  async #mend(): Promise<void> {
    const lost = this.#session
    if (lost.lost === undefined) return
    this.#unsure = true
    const session = await connect(this.#options)
    try {
      // The server may not know yet that the old connection is lost; it would keep the lock, and its last batch going.
      await this.#limited(session, async () => {
        await endBackend(session, lost.backend)
        await this.owner.reacquire(session)
      })
    } catch (error) {
      await session.close()
      throw error
    }
    this.#session = session
    this.#listen(session)
  }

  /** A way to the server that swallows everything would otherwise keep the log waiting for ever. */
  async #limited<T>(session: Session, work: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => session.drop(), this.#options.answerMs)
    try {
      return await work()
    } finally {
      clearTimeout(timer)
    }
  }

  /** Whether a later try may succeed where this one has failed. */
  #mayPass(error: unknown): boolean {
    if (isForksnapError(error, 'ERR_LOCKED')) return true // Somebody is about to raise the epoch, or has just ended.
    if (!isForksnapError(error, 'ERR_STORE_FAILED')) return false
    if (this.#session.lost !== undefined) return true
    const state = sqlStateOf({ code: error.errno })
    return state === undefined || PASSING.test(state)
  }
}

/**
 * Classes of the server's codes that pass: connection, lack of resources, interference of an operator, input and output,
 * rolled back for another transaction; and a server that takes no writes because it is or was a standby. What a system
 * says instead (`ECONNREFUSED`) passes too.
 */
const PASSING = /^(08|53|57|58|40|55P03|25006)/

async function connect({ connection }: CheckedLogOptions): Promise<Session> {
  return Session.open(await plainConnection(connection), 'forksnap log')
}

/** The name by which owners of this table know each other. */
export function ownerOptions({ table, takeover }: CheckedLogOptions): OwnerOptions {
  return { schema: table.schema, name: `log:${table.name}`, takeover }
}

import { setTimeout as pause } from 'node:timers/promises'
import { backOffMs } from '../back-off'
import { isForksnapError } from '../errors'
import { sqlStateOf } from '../postgres/connection'
import type { Owner } from '../postgres/epoch'
import type { OwnerSession } from '../postgres/owner-session'
import type { Session } from '../postgres/session'
import { Exclusive } from '../store/exclusive'
import type { LogRetryOptions } from './postgres-options'

/**
 * The log's one writing connection, which holds the lock. When it is lost, it is replaced before anything else is done,
 * and only then is there a look at what is in the table.
 */
export class Link {
  readonly #held: OwnerSession
  readonly #retry: Required<LogRetryOptions>
  /** One after the other: what is known of the table must not change under whoever looks there. */
  readonly #turns = new Exclusive()
  /** Whether the table may hold something else than what is known of it. Only who has looked there clears it. */
  #unsure = false

  constructor(held: OwnerSession, retry: Required<LogRetryOptions>) {
    this.#held = held
    this.#retry = retry
  }

  get owner(): Owner {
    return this.#held.owner
  }

  /** The connection as it is now. `run` may replace it. */
  get session(): Session {
    return this.#held.session
  }

  /** What to call when the present connection, or one that has replaced it, is lost. */
  set onLost(then: () => void) {
    this.#held.onLost = then
  }

  /**
   * Runs work until it succeeds, over another connection if need be. `unsure` tells the work that an earlier try may have
   * been committed although no answer came, or that the server may have been set back: it looks at the table then, unless
   * it leaves nothing there that was there before. Rejects at once with what no retry can mend, and with the last error
   * when `retry.totalMs` have passed since the first.
   */
  run<T>(work: (session: Session, unsure: boolean) => Promise<T>): Promise<T> {
    return this.#turns.run(() =>
      this.#try(async (session) => {
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
      this.#try(async (session) => {
        if (this.#unsure && (await look(session))) this.#unsure = false
      }, giveUp),
    )
  }

  async #try<T>(work: (session: Session) => Promise<T>, giveUp = (): boolean => false): Promise<T> {
    let deadline: number | undefined
    for (let failures = 1; ; failures++) {
      try {
        if (this.session.lost !== undefined) this.#unsure = true
        return await work(await this.#held.mend())
      } catch (error) {
        this.#unsure = true
        deadline ??= performance.now() + this.#retry.totalMs
        const delayMs = backOffMs(failures, this.#retry)
        if (!this.#mayPass(error) || giveUp() || performance.now() + delayMs > deadline) throw error
        await pause(delayMs)
      }
    }
  }

  /** Gives the lock back and ends the connection. */
  close(): Promise<void> {
    return this.#turns.run(() => this.#held.close())
  }

  /** Whether a later try may succeed where this one has failed. */
  #mayPass(error: unknown): boolean {
    if (isForksnapError(error, 'ERR_LOCKED')) return true // Somebody is about to raise the epoch, or has just ended.
    if (!isForksnapError(error, 'ERR_STORE_FAILED')) return false
    if (this.session.lost !== undefined) return true
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

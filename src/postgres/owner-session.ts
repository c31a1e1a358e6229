import { setTimeout as pause } from 'node:timers/promises'
import { backOffMs } from '../back-off'
import { ForksnapError, isForksnapError } from '../errors'
import { Owner, type OwnerOptions } from './epoch'
import { endBackend, type Session } from './session'

const BACK_OFF = { initialMs: 50, maxMs: 2_000, factor: 2 }
/** How long an epoch is asked for of which nobody knows whether it was begun. */
const LOOK_UP_MS = 30_000

/**
 * The connection that holds an owner's lock. When it is lost, also while nobody uses it, another one takes its place at
 * once, so that no second owner finds the lock free: the old one is ended at the server first, which may not know yet that
 * it is lost and would keep the lock for it, then the lock is taken again.
 */
export class OwnerSession {
  readonly owner: Owner
  readonly #connect: () => Promise<Session>
  readonly #closing = new AbortController()
  #session: Session
  #mending: Promise<Session> | undefined

  private constructor(owner: Owner, session: Session, connect: () => Promise<Session>) {
    this.owner = owner
    this.#connect = connect
    this.#session = session
    this.#listen(session)
  }

  /** Takes the lock in this session and begins an epoch; `connect` opens the sessions that may follow it. */
  static async acquire(
    session: Session,
    options: OwnerOptions,
    connect: () => Promise<Session>,
  ): Promise<OwnerSession> {
    return new OwnerSession(await Owner.acquire(session, options), session, connect)
  }

  /**
   * The session that holds the lock. If it was lost, perhaps unseen, it is replaced first. Rejects with `ERR_FENCED` if
   * there was another owner meanwhile, with `ERR_LOCKED` if somebody is about to be.
   */
  async held(): Promise<Session> {
    const session = this.#session
    if (await answers(session)) return session
    const now = this.#session
    return now !== session && now.lost === undefined ? now : this.#mend()
  }

  /**
   * Begins an epoch before which nothing counts any more. If its COMMIT may have taken place without an answer, that is
   * looked up before anything is said; rejects only if it did not, or if the database cannot be asked for half a minute.
   */
  async reset(): Promise<bigint> {
    const session = await this.held()
    const before = this.owner.epoch
    try {
      return await this.owner.reset(session)
    } catch (error) {
      if (!isForksnapError(error, 'ERR_STORE_FAILED')) throw error
      session.drop()
      await this.#mendForSure()
      if (this.owner.epoch > before) return this.owner.epoch
      throw error
    }
  }

  /** Gives the lock back and ends the connection. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#mending?.catch(() => undefined)
    await this.#session.close()
  }

  #listen(session: Session): void {
    if (session.lost !== undefined) void this.#keep()
    else session.client.once('end', () => void this.#keep())
  }

  /** Replaces a lost connection however long it takes. Whoever was fenced hears of it with each call. */
  async #keep(): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 1; this.#session.lost !== undefined && !signal.aborted; failures++) {
      try {
        await this.#mend()
      } catch (error) {
        if (isForksnapError(error, 'ERR_FENCED')) return
        await pause(backOffMs(failures, BACK_OFF), undefined, { signal }).catch(() => undefined)
      }
    }
  }

  async #mendForSure(): Promise<void> {
    const deadline = performance.now() + LOOK_UP_MS
    for (let failures = 1; ; failures++) {
      try {
        await this.#mend()
        return
      } catch (cause) {
        if (!isForksnapError(cause, 'ERR_STORE_FAILED') && !isForksnapError(cause, 'ERR_LOCKED')) throw cause
        if (performance.now() > deadline || this.#closing.signal.aborted) {
          const message = 'Whether an epoch was begun is not known, since the database cannot be asked; try again'
          throw new ForksnapError('ERR_STORE_FAILED', message, { cause })
        }
        await pause(backOffMs(failures, BACK_OFF))
      }
    }
  }

  /** One at a time: two that find the connection lost must not both replace it. */
  async #mend(): Promise<Session> {
    if (this.#closing.signal.aborted) throw new ForksnapError('ERR_INVALID_STATE', 'The lock was given back')
    this.#mending ??= this.#replace().finally(() => (this.#mending = undefined))
    return this.#mending
  }

  async #replace(): Promise<Session> {
    const lost = this.#session
    const session = await this.#connect()
    try {
      await endBackend(session, lost.backend)
      await this.owner.reacquire(session)
    } catch (error) {
      await session.close()
      throw error
    }
    this.#session = session
    this.#listen(session)
    return session
  }
}

/** Whether a connection is still there; one that has idled for long may have been lost unseen. */
async function answers(session: Session): Promise<boolean> {
  // An error that leaves the connection in place is the affair of whoever is in a transaction there.
  await session.query('use the connection', 'SELECT 1').catch(() => undefined)
  return session.lost === undefined
}

import { ForksnapError } from '../errors'
import { Owner } from './epoch'
import { endBackend, type Session } from './session'

/**
 * The connection that holds an owner's lock. When it is lost, another one takes its place: the old one is ended at the
 * server first, which may not know yet that it is lost and would keep the lock for it and its last statement going. Then
 * the lock is taken again. When that is done, and how often it is tried, is the affair of whoever uses it.
 */
export class OwnerSession {
  readonly owner: Owner
  readonly #connect: () => Promise<Session>
  #session: Session
  #mending: Promise<Session> | undefined
  #onLost: (() => void) | undefined
  #closed = false

  /** `session` holds the owner's lock; `connect` opens those that may follow it. */
  constructor(owner: Owner, session: Session, connect: () => Promise<Session>) {
    this.owner = owner
    this.#connect = connect
    this.#session = session
    this.#listen(session)
  }

  /** The connection as it is now, perhaps lost. `mend` may replace it. */
  get session(): Session {
    return this.#session
  }

  /** What to call when the present connection, or one that has replaced it, is lost. */
  set onLost(then: () => void) {
    this.#onLost = then
    if (this.#session.lost !== undefined) then()
  }

  /**
   * The connection, which is replaced first if it is known to be lost. Rejects with `ERR_FENCED` if there was another owner
   * meanwhile, with `ERR_LOCKED` if somebody is about to be, with `ERR_STORE_FAILED` if the server cannot be reached.
   */
  async mend(): Promise<Session> {
    if (this.#session.lost === undefined) return this.#session
    if (this.#closed) throw new ForksnapError('ERR_INVALID_STATE', 'The lock was given back')
    // One at a time: two that find the connection lost must not both replace it.
    this.#mending ??= this.#replace().finally(() => (this.#mending = undefined))
    return this.#mending
  }

  /** Gives the lock back and ends the connection. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#mending?.catch(() => undefined)
    await this.#session.close()
  }

  #listen(session: Session): void {
    if (session.lost !== undefined) return this.#onLost?.()
    session.client.once('end', () => {
      if (session === this.#session) this.#onLost?.()
    })
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

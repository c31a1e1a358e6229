import { Exclusive } from '../store/exclusive'
import { Owner, type OwnerOptions } from './epoch'
import { OwnerSession } from './owner-session'
import type { Session } from './session'

/**
 * Makes an owner in two steps, so that whoever needs two of them can have both locks before either epoch is begun: the
 * lock keeps others out and is given back without a trace, the epoch fences for good whoever was there before.
 */
export class OwnerLock {
  readonly #options: OwnerOptions
  readonly #connect: () => Promise<Session>
  readonly #prepare: ((session: Session) => Promise<void>) | undefined
  readonly #turns = new Exclusive()
  #session: Session | undefined

  /** `prepare` comes before the lock: what it finds wrong must not keep anybody out. */
  constructor(options: OwnerOptions, connect: () => Promise<Session>, prepare?: (session: Session) => Promise<void>) {
    this.#options = options
    this.#connect = connect
    this.#prepare = prepare
  }

  /** Idempotent; a lock whose connection was lost meanwhile is taken anew. Rejects with `ERR_LOCKED`. */
  async take(): Promise<void> {
    await this.#turns.run(() => this.#taken())
  }

  /** Takes the lock if it is not held yet, and begins an epoch higher than `above`. The lock is then the result's. */
  begin(above?: bigint): Promise<OwnerSession> {
    return this.#turns.run(async () => {
      const session = await this.#taken()
      this.#session = undefined
      try {
        return new OwnerSession(await Owner.begin(session, this.#options, above), session, this.#connect)
      } catch (error) {
        await session.close()
        throw error
      }
    })
  }

  /** Gives back a lock that was taken and not used. */
  release(): Promise<void> {
    return this.#turns.run(async () => {
      const session = this.#session
      this.#session = undefined
      await session?.close()
    })
  }

  async #taken(): Promise<Session> {
    if (this.#session !== undefined && this.#session.lost === undefined) return this.#session
    this.#session = undefined
    const session = await this.#connect()
    try {
      await this.#prepare?.(session)
      await Owner.lock(session, this.#options)
    } catch (error) {
      await session.close()
      throw error
    }
    this.#session = session
    return session
  }
}

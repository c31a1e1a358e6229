import { setTimeout as pause } from 'node:timers/promises'
import { afterMs } from '../after-ms'
import { backOffMs } from '../back-off'
import { ForksnapError, isForksnapError } from '../errors'
import type { Owner } from '../postgres/epoch'
import type { OwnerSession } from '../postgres/owner-session'
import type { Session } from '../postgres/session'

const BACK_OFF = { initialMs: 50, maxMs: 2_000, factor: 2 }
/** How long an epoch is asked for of which nobody knows whether it was begun. */
const LOOK_UP_MS = 30_000
/** How long a spooled slice waits for the database to say that the epoch is still its owner's. */
const EPOCH_MS = 1_000

/**
 * A store's hold on its slices. A connection that is lost, also while nobody uses it, is replaced at once, so that no
 * second owner finds the lock free.
 */
export class StoreOwner {
  readonly #held: OwnerSession
  readonly #closing = new AbortController()

  constructor(held: OwnerSession) {
    this.#held = held
    held.onLost = () => void this.#keep()
  }

  get owner(): Owner {
    return this.#held.owner
  }

  /**
   * The session that holds the lock. If it was lost, perhaps unseen, it is replaced first. Rejects with `ERR_FENCED` if
   * there was another owner meanwhile, with `ERR_LOCKED` if somebody is about to be.
   */
  async session(): Promise<Session> {
    await ask(this.#held.session)
    return this.#held.mend()
  }

  /**
   * Begins an epoch before which nothing counts any more. If its COMMIT may have taken place without an answer, that is
   * looked up before anything is said; rejects only if it did not, or if the database cannot be asked for half a minute.
   */
  async reset(): Promise<bigint> {
    const session = await this.session()
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

  /**
   * Rejects with `ERR_FENCED` after a takeover, if the database says so within a second, or `answerMs` if that is less.
   * One that is slow or away is what a spool is for: then a takeover is only found out when the slice is loaded.
   */
  async checkEpoch(answerMs: number): Promise<void> {
    let stop = (): void => undefined
    const late = new Promise<void>((resolve) => (stop = afterMs(Math.min(EPOCH_MS, answerMs), resolve)))
    const asked = this.session().then((session) => this.owner.look(session))
    const known = asked.catch((error: unknown) => {
      if (isForksnapError(error, 'ERR_FENCED')) throw error
    })
    await Promise.race([known, late]).finally(stop)
    known.catch(() => undefined)
  }

  /** Gives the lock back and ends the connection. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#held.close()
  }

  /** Replaces a lost connection however long it takes. Whoever was fenced hears of it with each call. */
  async #keep(): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 1; this.#held.session.lost !== undefined && !signal.aborted; failures++) {
      try {
        await this.#held.mend()
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
        await this.#held.mend()
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
}

/** A connection that has idled for long may have been lost unseen; it is known to be lost after this. */
async function ask(session: Session): Promise<void> {
  // An error that leaves the connection in place is the affair of whoever is in a transaction there.
  await session.query('use the connection', 'SELECT 1').catch(() => undefined)
}

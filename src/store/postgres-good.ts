import { isForksnapError } from '../errors'
import type { Session } from '../postgres/session'
import { listSlices } from './postgres-catalogue'
import type { Layout } from './postgres-layout'
import { openPostgresSource } from './postgres-source'

/** Slices that this process has published or read in full. */
export class GoodSlices {
  readonly #layout: Layout
  readonly #open: () => Promise<Session>
  readonly #ids = new Set<bigint>()

  /** `open` makes a connection of its own for each slice that is read. */
  constructor(layout: Layout, open: () => Promise<Session>) {
    this.#layout = layout
    this.#open = open
  }

  add(sliceId: bigint): void {
    this.#ids.add(sliceId)
  }

  clear(): void {
    this.#ids.clear()
  }

  /** Reads slices in full, from the newest on, until one is good. */
  async newest(session: Session): Promise<bigint | undefined> {
    for (const { sliceId } of await listSlices(session, this.#layout)) {
      if (this.#ids.has(sliceId) || (await this.#isGood(sliceId))) return sliceId
    }
    return undefined
  }

  async #isGood(sliceId: bigint): Promise<boolean> {
    try {
      const source = await openPostgresSource(this.#open, this.#layout, sliceId)
      await source.verify().finally(() => source.close())
      this.#ids.add(sliceId)
      return true
    } catch (error) {
      if (isForksnapError(error) && error.code !== 'ERR_STORE_FAILED') return false
      throw error
    }
  }
}

import { ForksnapError } from '../errors'

/**
 * The sinks of a store that are neither published nor withdrawn. Closing the store withdraws all of them before the lock
 * goes, also those that are just being made: one that came later would leave its descriptor and its file with nobody.
 */
export class OpenSinks<Sink extends { cancel(): Promise<void> }> {
  readonly #open = new Set<Sink>()
  readonly #coming = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  /** Makes a sink. Rejects with `ERR_INVALID_STATE` while the store is being closed. */
  create(make: () => Promise<Sink>): Promise<Sink> {
    if (this.#closing !== undefined) {
      return Promise.reject(new ForksnapError('ERR_INVALID_STATE', 'The store is being closed; start() it again first'))
    }
    const coming = make().then((sink) => {
      this.#open.add(sink)
      return sink
    })
    this.#coming.add(coming)
    const over = (): void => void this.#coming.delete(coming)
    coming.then(over, over)
    return coming
  }

  settled(sink: Sink): void {
    this.#open.delete(sink)
  }

  /** Cancels every sink, then runs `unlock`, and gives none meanwhile. Calls share the one that is running. */
  close(unlock: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(unlock).finally(() => (this.#closing = undefined))
    return this.#closing
  }

  async #close(unlock: () => Promise<void>): Promise<void> {
    await Promise.allSettled(this.#coming)
    await Promise.allSettled([...this.#open].map((sink) => sink.cancel())) // The next start removes what is left.
    await unlock()
  }
}

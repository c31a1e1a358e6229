import os from 'node:os'

/** npm passes on the Ctrl-C that the terminal has already sent to this process: what comes so soon is the same one. */
const SAME_SIGNAL_MS = 1000

/**
 * SIGINT and SIGTERM from the first moment on: whoever is at work is asked to stop, so that a last snapshot can be taken. A
 * second one aborts `hurry`.
 */
export class Stop {
  /** Resolves with what asked first: a signal, or what `ask` was given. */
  readonly asked: Promise<string>
  readonly hurry = new AbortController()
  #why: string | undefined
  #askedMs = 0
  #resolve!: (why: string) => void
  #atOnce: ((signal: NodeJS.Signals) => void) | undefined

  constructor() {
    this.asked = new Promise((resolve) => (this.#resolve = resolve))
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => this.#hear(signal))
  }

  get isAsked(): boolean {
    return this.#why !== undefined
  }

  ask(why: string): void {
    if (this.#why !== undefined) return
    this.#why = why
    this.#askedMs = performance.now()
    this.#resolve(why)
  }

  /** While `work` runs there is nothing that a snapshot could save: a signal calls `say` and ends the process. */
  async endingAtOnce<T>(say: (signal: NodeJS.Signals) => void, work: () => Promise<T>): Promise<T> {
    this.#atOnce = say
    try {
      return await work()
    } finally {
      this.#atOnce = undefined
    }
  }

  #hear(signal: NodeJS.Signals): void {
    if (this.#atOnce !== undefined) {
      this.#atOnce(signal)
      process.exit(128 + os.constants.signals[signal])
    }
    if (this.isAsked && performance.now() - this.#askedMs > SAME_SIGNAL_MS) this.hurry.abort()
    this.ask(signal)
  }
}

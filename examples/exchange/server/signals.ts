/** npm passes on the Ctrl-C that the terminal has already sent to this process: what comes so soon is the same one. */
const SAME_SIGNAL_MS = 1000

export interface StopRequest {
  /** Resolves with the first SIGTERM or SIGINT. */
  readonly asked: Promise<NodeJS.Signals>
  /** Aborted by a second one. */
  readonly hurry: AbortSignal
}

export function listenForStop(): StopRequest {
  const hurry = new AbortController()
  const asked = new Promise<NodeJS.Signals>((resolve) => {
    let askedMs: number | undefined
    const hear = (signal: NodeJS.Signals): void => {
      askedMs ??= performance.now()
      if (performance.now() - askedMs > SAME_SIGNAL_MS) hurry.abort()
      resolve(signal)
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, hear)
  })
  return { asked, hurry: hurry.signal }
}

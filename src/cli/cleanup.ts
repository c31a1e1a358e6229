/**
 * What must be undone if a signal ends the command: a half-written file, a progress bar. Each step is synchronous, since
 * nothing is waited for any more.
 */
const steps = new Set<() => void>()

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Returns the function that takes the step back. */
export function onInterrupt(step: () => void): () => void {
  if (steps.size === 0) for (const signal of SIGNALS) process.once(signal, end)
  steps.add(step)
  return () => {
    steps.delete(step)
    if (steps.size === 0) for (const signal of SIGNALS) process.removeListener(signal, end)
  }
}

/** The process then ends by the signal itself, so that a shell's loop ends with it. */
function end(signal: NodeJS.Signals): void {
  for (const step of steps) step()
  steps.clear()
  for (const one of SIGNALS) process.removeListener(one, end)
  process.kill(process.pid, signal)
}

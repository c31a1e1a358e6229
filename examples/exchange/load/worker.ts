/** The load generator as a process of its own: `startLoadProcess` starts it and sends it its options. */
import { runLoad, type LoadReport } from './run'
import type { LoadOptions } from './options'

/** What the starter says: the options first, `stop` later. */
export type ToWorker = { readonly options: Partial<LoadOptions> } | 'stop'

/** What the worker says: that its clock runs, and how it ended. */
export type FromWorker = 'started' | { readonly report: LoadReport } | { readonly error: string }

const stop = new AbortController()

function tell(message: FromWorker, then: () => void = () => undefined): void {
  process.send?.(message, then)
}

async function run(options: Partial<LoadOptions>): Promise<void> {
  try {
    const report = await runLoad({ ...options, signal: stop.signal, onStart: () => tell('started') })
    tell({ report }, () => process.disconnect())
  } catch (error) {
    tell({ error: error instanceof Error ? error.message : String(error) }, () => process.disconnect())
  }
}

// A Ctrl-C reaches the whole group; whoever started this one decides what becomes of it.
process.on('SIGINT', () => undefined)
process.on('disconnect', () => process.exit())
process.on('message', (message: ToWorker) => {
  if (message === 'stop') stop.abort()
  else void run(message.options)
})

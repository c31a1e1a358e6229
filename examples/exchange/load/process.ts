import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { LoadOptions } from './options'
import type { LoadReport } from './run'
import type { FromWorker, ToWorker } from './worker'

export interface LoadProcess {
  readonly pid: number
  /** Resolves once users and resting orders are there and the clock runs. */
  readonly started: Promise<void>
  readonly report: Promise<LoadReport>
  /** Ends the load early; the report is of what was until then. */
  stop(): void
}

interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
}

function deferred<T>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }))
  return { promise, ...(settle as unknown as Omit<Deferred<T>, 'promise'>) }
}

/** A larger young generation is collected less often: what the generator does not need of the cores, the server has. */
const YOUNG = ['--max-semi-space-size=64']

/** `runLoad` in a process of its own, so that server and generator do not wait for each other. Only for compiled programs. */
export function startLoadProcess(options: Partial<LoadOptions>): LoadProcess {
  // Typed arrays and Infinity do not survive JSON.
  const child = fork(join(__dirname, 'worker.js'), { serialization: 'advanced', execArgv: YOUNG })
  const started = deferred<void>()
  const report = deferred<LoadReport>()
  const fail = (why: string): void => {
    started.reject(new Error(why))
    report.reject(new Error(why))
  }
  child.on('message', (message: FromWorker) => {
    if (message === 'started') return started.resolve()
    if ('error' in message) return fail(message.error)
    // Whoever is stopped before the clock runs reports all the same.
    started.resolve()
    report.resolve(message.report)
  })
  child.on('exit', (code, signal) => fail(`the load generator ended with ${signal ?? code}`))
  child.on('error', (error) => fail(error.message))
  // Either may be left unheard, the other tells.
  started.promise.catch(() => undefined)
  report.promise.catch(() => undefined)
  const send = (message: ToWorker): void => void (child.connected && child.send(message))
  send({ options })
  return { pid: child.pid ?? 0, started: started.promise, report: report.promise, stop: () => send('stop') }
}

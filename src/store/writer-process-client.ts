import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterMs } from '../after-ms'
import { ForksnapError } from '../errors'
import { type Answer, fromWire, type Method, type Methods } from './writer-process-protocol'

/** What the writer needs of the environment. The rest may hold passwords, or make it load what it must not. */
const ENVIRONMENT =
  /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|PG(?!PASSWORD$).*|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|FORKSNAP_FAILPOINT.*)$/

/** How long a writer may take to start, and to end once it is told to. */
const START_MS = 30_000
const END_MS = 5_000

interface Waiting {
  resolve(value: never): void
  reject(error: Error): void
}

/**
 * The parent's side of the writer process. It is started early and kept, since starting a process is a fork too; if it
 * dies it is replaced at once, outside of any snapshot's pause. While it has nothing to do it does not keep the parent
 * alive.
 *
 * An answer may take long, since a database may. But a writer that is asked something is also asked every `answerMs`
 * whether it lives, and one that does not answer that in the same time is killed.
 */
export class WriterProcess {
  readonly #answerMs: number
  readonly #waiting = new Map<number, Waiting>()
  #child: ChildProcess | undefined
  #ready: Promise<void> = Promise.resolve()
  #lastId = 0
  #closed = false
  /** The writer before the present one, and how it ended. */
  #former: { readonly pid: number | undefined; readonly how: string } | undefined
  #stopWatching: () => void = () => undefined
  /** Writers that this process has killed. */
  readonly #killed = new WeakSet<ChildProcess>()

  constructor(answerMs: number) {
    this.#answerMs = answerMs
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves once the process listens. Idempotent. */
  async start(): Promise<void> {
    this.#closed = false
    if (this.#child === undefined) this.#spawn()
    await this.#ready
  }

  /**
   * Asks the writer, or the one of that pid only. Rejects with `ERR_STORE_FAILED` if it dies or stops meanwhile; `isGone`
   * tells that from its own errors.
   */
  async ask<M extends Method>(
    method: M,
    argument: Parameters<Methods[M]>[0],
    pid?: number,
  ): Promise<Awaited<ReturnType<Methods[M]>>> {
    if (this.#closed) throw new ForksnapError('ERR_INVALID_STATE', 'The store is closed')
    if (pid !== undefined && pid !== this.pid) throw gone(pid === this.#former?.pid ? this.#former.how : 'has ended')
    await this.start()
    const id = ++this.#lastId
    return new Promise<Awaited<ReturnType<Methods[M]>>>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#keepAlive()
      this.#send(id, method, argument)
      this.#watch()
    })
  }

  #send(id: number, method: Method, argument: unknown): void {
    // A channel that cannot take it any more ends, and that rejects all that wait.
    this.#child?.send({ id, method, argument }, () => undefined)
  }

  /** Whatever is heard of a writer shows that it lives. */
  #watch(): void {
    this.#stopWatching()
    const child = this.#child
    if (child === undefined || this.#waiting.size === 0) return
    this.#stopWatching = afterMs(this.#answerMs, () => {
      this.#send(++this.#lastId, 'alive', undefined)
      this.#stopWatching = afterMs(this.#answerMs, () => this.#kill(child))
    })
  }

  #kill(child: ChildProcess): void {
    this.#killed.add(child)
    child.kill('SIGKILL')
  }

  /** Ends the process, by force if it does not; what it had not committed is rolled back. Resolves when it is gone. */
  async close(): Promise<void> {
    this.#closed = true
    const child = this.#child
    if (child === undefined) return
    const ended = once(child, 'exit')
    child.ref()
    if (child.connected) child.disconnect()
    const stop = afterMs(END_MS, () => this.#kill(child))
    await ended
    stop()
  }

  #spawn(): void {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => ENVIRONMENT.test(name)))
    const child = fork(writerProgram(), [], {
      env,
      execArgv: [],
      detached: true,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child = child
    let ready = false
    const stop = afterMs(START_MS, () => this.#kill(child))
    this.#ready = new Promise((resolve, reject) => {
      child.once('message', () => {
        child.on('message', (answer: Answer) => this.#hear(answer))
        ready = true
        stop()
        this.#keepAlive()
        resolve()
      })
      const over = (how: string): void => {
        stop()
        const error = gone(how)
        reject(error)
        this.#over(child, error, ready)
        this.#former = { pid: child.pid, how }
      }
      // A question that finds the writer gone is an error too; its exit, which follows, says how it ended.
      child.on('error', (error) => {
        if (!ready) over(`could not be started: ${error.message}`)
      })
      child.once('exit', (code, signal) => {
        over(this.#killed.has(child) ? 'gave no answer and was killed' : `was ended by ${signal ?? `code ${code}`}`)
      })
    })
    this.#ready.catch(() => undefined)
    child.unref()
  }

  #hear(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    this.#keepAlive()
    this.#watch()
    if (waiting === undefined) return
    if ('error' in answer) waiting.reject(fromWire(answer.error))
    else waiting.resolve(answer.value as never)
  }

  #over(child: ChildProcess, error: Error, wasReady: boolean): void {
    if (this.#child !== child) return
    this.#child = undefined
    this.#stopWatching()
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
    // One that cannot even start is tried again only when it is needed.
    if (!this.#closed && wasReady) this.#spawn()
  }

  #keepAlive(): void {
    const channel = this.#child?.channel
    if (this.#waiting.size > 0) channel?.ref()
    else channel?.unref()
  }
}

const GONE = 'EWRITERGONE'

function gone(how: string): ForksnapError {
  const message = `The writer process ${how}; what it had not committed is rolled back. It is started again; save again`
  return new ForksnapError('ERR_STORE_FAILED', message, { errno: GONE })
}

/** Whether an error says that the writer itself is gone, so that it could not say what it had done. */
export function isGone(error: unknown): boolean {
  return error instanceof ForksnapError && error.errno === GONE
}

/** The compiled program, also where this file itself runs from its source. */
function writerProgram(): string {
  const beside = join(__dirname, 'writer-process.js')
  if (existsSync(beside)) return beside
  let folder = __dirname
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return join(folder, 'dist', 'src', 'store', 'writer-process.js')
}

/** Programs that a benchmark starts beside itself and asks for things, over the channel of `child_process.fork`. */
import { fork } from 'node:child_process'
import { join } from 'node:path'

type Answers = Readonly<Record<string, () => Promise<unknown>>>

type FromProgram = { readonly port: number } | { readonly answer: unknown } | { readonly error: string }

export interface Program {
  readonly pid: number
  readonly port: number
  /** One question at a time. */
  ask(question: string): Promise<unknown>
  /** Resolves once it has ended. */
  end(): Promise<void>
}

/** In the program: says where it listens and answers its parent's questions until it is told to end. */
export async function serveParent(port: number, answers: Answers): Promise<void> {
  const ended = new Promise<void>((resolve) => process.once('disconnect', resolve))
  const tell = (message: FromProgram): void => void process.send?.(message)
  process.on('message', (question: string) => {
    const answer = answers[question] ?? (() => Promise.reject(new Error(`unknown question ${question}`)))
    answer().then(
      (value) => tell({ answer: value }),
      (error: unknown) => tell({ error: String(error) }),
    )
  })
  tell({ port })
  await ended
}

/** Starts `bench/lib/<name>.js`; resolves once it listens. */
export async function startProgram(name: string, args: readonly string[] = []): Promise<Program> {
  const child = fork(join(__dirname, `${name}.js`), args, { serialization: 'advanced' })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const next = (): Promise<FromProgram> =>
    new Promise((resolve, reject) => {
      child.once('message', (message) => resolve(message as FromProgram))
      void ended.then(() => reject(new Error(`${name} has ended`)))
    })
  const first = await next()
  if (!('port' in first)) throw new Error(`${name} did not say where it listens`)
  return {
    pid: child.pid ?? 0,
    port: first.port,
    async ask(question): Promise<unknown> {
      const answer = next()
      child.send(question)
      const message = await answer
      if ('error' in message) throw new Error(`${name}: ${message.error}`)
      return 'answer' in message ? message.answer : undefined
    },
    async end(): Promise<void> {
      if (child.connected) child.disconnect()
      await ended
    },
  }
}

/**
 * What durable orders through gRPC cost without an engine: a bare grpc-js server that appends each request to a file as
 * JSON, syncs once for all that came while the last sync ran, and answers with the request's own fields.
 */
import { closeSync, fdatasync, mkdtempSync, openSync, rmSync, write } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js'
import { matchengineService } from '../../examples/exchange/proto/service'
import { serveParent } from './program'

const writeFile = promisify(write) as (fd: number, text: string) => Promise<unknown>
const sync = promisify(fdatasync)

/** Appends lines; each `append` resolves when its line is on the disk. */
class BatchFile {
  private waiting: { readonly line: string; readonly resolve: () => void }[] = []
  private running = false

  constructor(private readonly fd: number) {}

  append(line: string): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push({ line, resolve })
      if (!this.running) void this.run()
    })
  }

  private async run(): Promise<void> {
    this.running = true
    while (this.waiting.length > 0) {
      // All of this turn of the event loop goes into the batch, as it does in the log of the exchange.
      await new Promise(setImmediate)
      const batch = this.waiting
      this.waiting = []
      await writeFile(this.fd, batch.map(({ line }) => line).join(''))
      await sync(this.fd)
      for (const { resolve } of batch) resolve()
    }
    this.running = false
  }
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'forksnap-bench-echo-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const fd = openSync(join(directory, 'requests'), 'a')
  const file = new BatchFile(fd)
  let id = 0
  const echo =
    (answer: (request: object) => object): handleUnaryCall<object, object> =>
    ({ request }, callback) => {
      const response = answer(request)
      void file.append(`${JSON.stringify(request)}\n`).then(() => callback(null, response))
    }
  const order = (request: object): object => {
    const { amount } = request as { amount: string }
    const time = Date.now() / 1000
    const figures = { remain: amount, finished_base: '0', finished_quote: '0', finished_fee: '0' }
    return { ...request, id: ++id, create_time: time, update_time: time, ...figures }
  }
  const server = new Server({ 'grpc.enable_channelz': 0 })
  const { service } = matchengineService()
  const none = echo(() => ({}))
  const methods = Object.fromEntries(Object.keys(service).map((name) => [name, none]))
  server.addService(service, {
    ...methods,
    RegisterUser: echo(() => ({ user_id: ++id })),
    OrderPut: echo(order),
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  await serveParent(port, { cpu: () => Promise.resolve(process.cpuUsage()) })
  server.forceShutdown()
  closeSync(fd)
}

void main()

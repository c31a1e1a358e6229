import { credentials, status, type Client, type ServiceError } from '@grpc/grpc-js'
import { matchengineService } from '../proto/service'
import type { Requests, Rpc } from '../server/wire'

/** How a call ended: its response, or the name of the status and what was said with it. */
export interface Outcome {
  readonly status: string
  readonly details: string
  /** Empty unless the status is OK. The checks look at every field, so nothing is believed of its shape. */
  readonly response: Readonly<Record<string, unknown>>
}

type UntypedClient = Client &
  Record<Rpc, (request: object, done: (error: ServiceError | null, value: object) => void) => void>

const CONNECT_MS_MAX = 10_000

/** Connections to a server. */
export class LoadClients {
  private readonly clients: UntypedClient[]
  /** Calls without an answer. */
  inFlight = 0

  constructor(address: { readonly host: string; readonly port: number; readonly connections: number }) {
    const { host, port, connections } = address
    const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    // Without a pool of its own every client would share one connection, and a retry would hide what was refused.
    const options = { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_retries': 0, 'grpc.enable_channelz': 0 }
    const Matchengine = matchengineService()
    this.clients = Array.from(
      { length: connections },
      () => new Matchengine(target, credentials.createInsecure(), options) as unknown as UntypedClient,
    )
  }

  async connect(): Promise<void> {
    const deadline = Date.now() + CONNECT_MS_MAX
    await Promise.all(
      this.clients.map(
        (client) =>
          new Promise<void>((resolve, reject) =>
            client.waitForReady(deadline, (error) => (error === undefined ? resolve() : reject(error))),
          ),
      ),
    )
  }

  /** Calls `done` once, however the call ends. */
  send<R extends Rpc>(
    connection: number,
    rpc: R,
    request: Partial<Requests[R]>,
    done: (outcome: Outcome) => void,
  ): void {
    const client = this.clients[connection % this.clients.length]
    this.inFlight++
    client[rpc](request, (error, value) => {
      this.inFlight--
      if (error === null) done({ status: 'OK', details: '', response: value as Outcome['response'] })
      else done({ status: status[error.code], details: error.details, response: {} })
    })
  }

  /** The response; rejects with what the server said if the status is another than OK. */
  call<R extends Rpc>(connection: number, rpc: R, request: Partial<Requests[R]>): Promise<Outcome['response']> {
    return new Promise((resolve, reject) =>
      this.send(connection, rpc, request, ({ status: name, details, response }) => {
        if (name === 'OK') resolve(response)
        else reject(new Error(`${rpc} was refused: ${name} ${details}`))
      }),
    )
  }

  /** Ends the calls that have no answer yet. */
  close(): void {
    for (const client of this.clients) client.close()
  }
}

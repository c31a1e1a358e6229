import { once } from 'node:events'
import { createServer, type AddressInfo, type Server as NetServer, type Socket } from 'node:net'
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { matchengineService } from '../proto/service'
import { strictService } from './strict'

export interface Limits {
  /** Connections at the same time; others are closed at once. */
  readonly connections: number
  /** Calls that one connection may have open. */
  readonly streams: number
  /** Bytes of one request. */
  readonly messageBytes: number
}

export interface ListenOptions {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  readonly limits: Limits
  /** Told how many connections were turned away so far. */
  readonly onRefused?: (refused: number) => void
}

/** A peer that has not answered a ping after this time is gone, or never spoke the protocol. */
const KEEPALIVE_MS = 60_000
const KEEPALIVE_ANSWER_MS = 20_000

/**
 * The port of the service. The sockets are our own and handed to grpc-js, which cannot bound their number itself.
 */
export class Listener {
  readonly #grpc: Server
  readonly #net: NetServer
  readonly #sockets = new Set<Socket>()
  readonly #host: string

  private constructor(service: UntypedServiceImplementation, { host, limits, onRefused }: ListenOptions) {
    this.#host = host
    this.#grpc = new Server({
      'grpc.max_receive_message_length': limits.messageBytes,
      'grpc.max_concurrent_streams': limits.streams,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_ANSWER_MS,
      'grpc.enable_channelz': 0,
    })
    this.#grpc.addService(strictService(matchengineService().service), service)
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure())
    this.#net = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      injector.injectConnection(socket)
    })
    this.#net.maxConnections = limits.connections
    let refused = 0
    this.#net.on('drop', () => onRefused?.(++refused))
  }

  /** Rejects with the system's error if the port cannot be had. */
  static async open(service: UntypedServiceImplementation, options: ListenOptions): Promise<Listener> {
    const listener = new Listener(service, options)
    listener.#net.listen(options.port, options.host)
    try {
      await once(listener.#net, 'listening')
    } catch (error) {
      listener.#grpc.forceShutdown()
      throw error
    }
    return listener
  }

  get port(): number {
    return (this.#net.address() as AddressInfo).port
  }

  get host(): string {
    return this.#host
  }

  get connections(): number {
    return this.#sockets.size
  }

  /**
   * Takes no more connections and calls, lets those that are running finish, and closes. What has not finished when
   * `signal` aborts is cut off. Resolves once every socket is closed.
   */
  async close(signal: AbortSignal): Promise<void> {
    const netClosed = new Promise<void>((resolve) => this.#net.close(() => resolve()))
    const drained = new Promise<void>((resolve) => this.#grpc.tryShutdown(() => resolve()))
    const cutOff = (): void => {
      this.#grpc.forceShutdown()
      for (const socket of this.#sockets) socket.destroy()
    }
    if (signal.aborted) cutOff()
    signal.addEventListener('abort', cutOff, { once: true })
    await Promise.all([netClosed, drained])
    signal.removeEventListener('abort', cutOff)
  }
}

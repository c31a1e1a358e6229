import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { ClientConfig } from 'pg'
import type { Cluster } from './postgres'

/** What happens to the next COMMIT that comes through. */
export type Cut =
  /** It reaches the server, and the connection is cut when the answer comes. */
  | 'answer'
  /** It reaches the server, and the connection is cut at once; the server is not told. */
  | 'early'
  /** It never reaches the server: the connection is cut instead. */
  | 'question'
  /** It never reaches the server, which is not told that the connection was cut either. */
  | 'silent'

/** A proxy on loopback that passes everything on, until it is told to cut. */
export class CuttingProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #clients = new Set<Socket>()
  #cut: Cut | undefined
  #muteAt: string | undefined
  cuts = 0

  private constructor(private readonly cluster: Cluster) {
    this.#server = createServer((client) => this.#serve(client))
  }

  static async start(cluster: Cluster): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(cluster)
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening')
    return proxy
  }

  config(database: string): ClientConfig {
    const { port } = this.#server.address() as AddressInfo
    return { host: '127.0.0.1', port, database, user: 'postgres' }
  }

  /** The next COMMIT is cut, and only that one. */
  cutNextCommit(cut: Cut): void {
    this.#cut = cut
  }

  /**
   * Every connection that asks something with this text in it is mute from then on: the server gets it and what follows,
   * none of its answers comes through, and neither side hears of it when the other one ends. Undefined: no further ones.
   */
  muteAt(text: string | undefined): void {
    this.#muteAt = text
  }

  /** Cuts every connection that is open now, as a network that fails: the server is not told. */
  forget(): void {
    for (const client of this.#clients) {
      client.removeAllListeners('close')
      client.destroy()
    }
    this.#clients.clear()
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server.close(), 'close')
  }

  #serve(client: Socket): void {
    const server = connect(join(this.cluster.folder, `.s.PGSQL.${this.cluster.port}`))
    this.#clients.add(client)
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => this.#sockets.delete(socket))
    }
    let mute = false
    server.on('data', (data) => mute || client.write(data))
    server.on('close', () => mute || client.destroy())
    client.on('data', (data) => {
      mute ||= this.#muteAt !== undefined && data.includes(this.#muteAt)
      if (data.includes('COMMIT\0') && this.#cut) this.#cutNow(client, server, data)
      else server.write(data)
    })
    client.on('close', () => {
      this.#clients.delete(client)
      if (!mute) server.destroy()
    })
  }

  #cutNow(client: Socket, server: Socket, data: Buffer): void {
    const cut = this.#cut
    this.#cut = undefined
    this.cuts += 1
    server.removeAllListeners('data')
    if (cut === 'silent' || cut === 'early') client.removeAllListeners('close')
    if (cut === 'answer' || cut === 'early') server.write(data)
    if (cut === 'answer') server.once('data', () => client.destroy())
    else client.destroy()
  }
}

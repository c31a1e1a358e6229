import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isIP, type AddressInfo } from 'node:net'

export interface Answer {
  readonly type: string
  readonly body: string
}

/** What is answered to a GET, by path. */
export type Routes = Readonly<Record<string, (query: URLSearchParams) => Answer | Promise<Answer>>>

export interface HttpOptions {
  readonly host: string
  readonly port: number
  /** Go with every answer. */
  readonly headers: Readonly<Record<string, string>>
}

export interface HttpServer {
  readonly port: number
  close(): Promise<void>
}

const CONNECTIONS_MAX = 100
const REQUEST_MS_MAX = 5_000

/** A server of a few texts that change nothing. Resolves once it listens; rejects if it cannot. */
export async function serve(routes: Routes, { host, port, headers }: HttpOptions): Promise<HttpServer> {
  const limits = { headersTimeout: REQUEST_MS_MAX, requestTimeout: REQUEST_MS_MAX }
  const server = createServer(limits, (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    void handle(routes, host, request, response)
  })
  server.maxConnections = CONNECTIONS_MAX
  server.listen(port, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close(): Promise<void> {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function handle(routes: Routes, host: string, request: IncomingMessage, response: ServerResponse) {
  if (isLoopback(host) && !isLoopback(hostOf(request))) return send(response, 421, 'ask for localhost\n')
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'only GET and HEAD\n')
  const url = URL.parse(request.url ?? '/', 'http://localhost')
  const route = url !== null && Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined
  if (url === null || route === undefined) {
    return send(response, 404, `there are ${Object.keys(routes).join(', ')}\n`)
  }
  try {
    const { type, body } = await route(url.searchParams)
    send(response, 200, body, type)
  } catch (error) {
    send(response, 500, `${String(error)}\n`)
  }
}

function send(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  // Node leaves the body out where the question was HEAD.
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }).end(body)
}

/** The name that the client asked for, without a port. */
function hostOf({ headers }: IncomingMessage): string {
  return (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

/**
 * A page from elsewhere can have its own name point to this machine and then read what it likes of a server that only
 * listens here. It cannot have the name `localhost`, though, nor an address.
 */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

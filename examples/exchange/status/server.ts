import { SnapshotHistory } from './history'
import { serve, type HttpServer, type Routes } from './http'
import { LoopDelay } from './loop-delay'
import { exchangeMetrics, type Metrics } from './metrics'
import { loadPage } from './page'
import type { StatusSource } from './source'
import { StoreSlices } from './store-slices'
import { statusView, type Gathered } from './view'

export interface StatusAddress {
  /** An address of this machine. Whoever reaches it reads the exchange's figures: loopback unless you mean it. */
  readonly host: string
  /** 0 for any. */
  readonly port: number
}

/** Serves the status page at `/`, its figures at `/status.json`, and metrics for Prometheus at `/metrics`. */
export async function startStatusServer(source: StatusSource, { host, port }: StatusAddress): Promise<HttpServer> {
  const { html, policy } = loadPage()
  const { snapshotter, store } = source
  const metrics = exchangeMetrics(source)
  const delay = new LoopDelay(metrics.observeDelay)
  const history = new SnapshotHistory(snapshotter)
  const slices = new StoreSlices(store, snapshotter)
  const stop = (): void => [metrics, delay, history, slices].forEach((part) => part.stop())
  const headers = {
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  }
  try {
    const server = await serve(routes(html, { source, history, slices, delay }, metrics), { host, port, headers })
    const close = async (): Promise<void> => {
      stop()
      await server.close()
    }
    return { port: server.port, close }
  } catch (error) {
    stop()
    throw error
  }
}

function routes(html: string, gathered: Gathered, { registry }: Metrics): Routes {
  return {
    '/': () => ({ type: 'text/html; charset=utf-8', body: html }),
    '/status.json': (query) => {
      const since = Number(query.get('since'))
      const view = statusView(gathered, Number.isSafeInteger(since) ? since : 0)
      return { type: 'application/json; charset=utf-8', body: JSON.stringify(view) }
    },
    '/metrics': async () => ({ type: registry.contentType, body: await registry.metrics() }),
  }
}

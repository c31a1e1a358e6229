import { collectMetrics } from 'forksnap/prometheus'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { counter, gauge, registerProcess } from './process-metrics'
import type { StatusSource } from './source'

const DELAY_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

export interface Metrics {
  readonly registry: Registry
  readonly observeDelay: (ms: number) => void
  readonly stop: () => void
}

/** Registers all metrics of a server; names carry base units. Most are read from the source when they are asked for. */
export function exchangeMetrics(source: StatusSource): Metrics {
  const registry = new Registry()
  const stopProcess = registerProcess(registry)
  registerLog(registry, source)
  registerEngine(registry, source)
  const stopCollecting = collectMetrics(source.snapshotter, { registry })
  const delay = new Histogram({
    name: 'exchange_event_loop_delay_seconds',
    help: 'How late a timer that is due every 10 ms was',
    buckets: DELAY_BUCKETS_S,
    registers: [registry],
  })
  const stop = (): void => {
    stopCollecting()
    stopProcess()
  }
  return { registry, observeDelay: (ms) => delay.observe(ms / 1000), stop }
}

function registerLog(registry: Registry, { log }: StatusSource): void {
  if (log === undefined) return
  counter(registry, 'forksnap_log_entries_total', 'Id of the entry appended last', () => Number(log.lastId))
  counter(registry, 'forksnap_log_durable_entries_total', 'Id up to which all is durable', () => Number(log.durableId))
  gauge(registry, 'forksnap_log_ok', 'Whether the log takes entries', () => Number(log.failure === undefined))
}

function registerEngine(registry: Registry, source: StatusSource): void {
  gauge(registry, 'exchange_users', 'Registered users', () => source.engine().users)
  gauge(registry, 'exchange_open_orders', 'Resting orders', () => source.engine().openOrders)
  counter(registry, 'exchange_orders_total', 'Orders ever put', () => source.engine().orderId)
  counter(registry, 'exchange_trades_total', 'Trades ever made', () => source.engine().tradeId)
  const refused = 'Whether the engine refuses writes'
  gauge(registry, 'exchange_writes_refused', refused, () => Number(source.writesRefused() !== undefined))
  new Gauge({
    name: 'exchange_market_open_orders',
    help: 'Resting orders by market and side',
    labelNames: ['market', 'side'],
    registers: [registry],
    collect() {
      for (const { name, asks, bids } of source.engine().markets) {
        this.set({ market: name, side: 'ask' }, asks)
        this.set({ market: name, side: 'bid' }, bids)
      }
    },
  })
  new Counter({
    name: 'exchange_market_trades_total',
    help: 'Trades ever made by market',
    labelNames: ['market'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { name, trades } of source.engine().markets) this.inc({ market: name }, trades)
    },
  })
}

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { counter, gauge, registerProcess } from './process-metrics'
import type { StatusSource } from './source'
import { watch } from './watch'

/** A pause is milliseconds to a second; an event loop's delay begins below one. */
const PAUSE_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
const DELAY_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
const SAVE_BUCKETS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500]

const seconds = (ms: number): number => ms / 1000

export interface Metrics {
  readonly registry: Registry
  readonly observeDelay: (ms: number) => void
  readonly stop: () => void
}

/** Registers all metrics of a server; names carry base units. Most are read from the source when they are asked for. */
export function exchangeMetrics(source: StatusSource): Metrics {
  const registry = new Registry()
  const stopProcess = registerProcess(registry)
  registerSaves(registry, source)
  registerRunning(registry, source)
  registerLog(registry, source)
  registerEngine(registry, source)
  const stopListening = registerForks(registry, source)
  const delay = new Histogram({
    name: 'exchange_event_loop_delay_seconds',
    help: 'How late a timer that is due every 10 ms was',
    buckets: DELAY_BUCKETS_S,
    registers: [registry],
  })
  const stop = (): void => {
    stopListening()
    stopProcess()
  }
  return { registry, observeDelay: (ms) => delay.observe(seconds(ms)), stop }
}

function registerSaves(registry: Registry, { snapshotter }: StatusSource): void {
  const stats = () => snapshotter.stats
  counter(registry, 'forksnap_saves_total', 'Saves that published a slice', () => stats().saves)
  counter(registry, 'forksnap_save_failures_total', 'Saves that failed', () => stats().failures)
  counter(registry, 'forksnap_saves_aborted_total', 'Snapshots that were ended on purpose', () => stats().aborted)
  counter(registry, 'forksnap_saves_skipped_total', 'Ticks that found a snapshot running', () => stats().skipped)
  counter(registry, 'forksnap_save_retries_total', 'Saves begun again after a failure', () => stats().retries)
  counter(registry, 'forksnap_fork_busy_total', 'Forks put off since threads were busy', () => stats().busy)
  counter(registry, 'forksnap_cleanup_failures_total', 'Failed clean-ups', () => stats().cleanupFailures)
  const lastOk = 'Whether the last save succeeded; 1 before the first'
  gauge(registry, 'forksnap_last_save_ok', lastOk, () => Number(stats().lastStatus !== 'failed'))
  const lastTime = 'When the last slice was published, Unix time; 0 before the first'
  gauge(registry, 'forksnap_last_success_timestamp_seconds', lastTime, () => seconds(stats().lastSaveTime ?? 0))
  const changes = 'Changes that no published slice holds'
  gauge(registry, 'forksnap_changes_since_last_save', changes, () => stats().changesSinceLastSave)
  const gap = 'Longest time without a turn of the event loop during the last save'
  gauge(registry, 'forksnap_last_longest_gap_seconds', gap, () => seconds(stats().longestGapMs))
  const cow = 'What parent and child of the last save have copied'
  gauge(registry, 'forksnap_last_cow_bytes', cow, () => stats().lastCowBytes)
}

function registerRunning(registry: Registry, { snapshotter }: StatusSource): void {
  const stats = () => snapshotter.stats
  gauge(registry, 'forksnap_save_in_progress', 'Whether a snapshot is running', () => Number(stats().inProgress))
  gauge(registry, 'forksnap_current_rows', 'Rows that the running child has written', () => stats().currentRows)
  gauge(registry, 'forksnap_current_bytes', 'Bytes that the running child has written', () => stats().currentBytes)
  gauge(registry, 'forksnap_current_cow_bytes', 'What the running child has copied', () => stats().currentCowBytes)
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

/** What each fork and save took. Returns what ends the listening. */
function registerForks(registry: Registry, { snapshotter }: StatusSource): () => void {
  const registers = [registry]
  const histogram = (name: string, help: string, buckets: number[]) => new Histogram({ name, help, buckets, registers })
  const pause = histogram('forksnap_pause_seconds', 'The whole synchronous part of a fork', PAUSE_BUCKETS_S)
  const fork = histogram('forksnap_fork_seconds', 'The system call fork() alone', PAUSE_BUCKETS_S)
  const save = histogram('forksnap_save_seconds', 'From the beginning of a save to its publication', SAVE_BUCKETS_S)
  const rows = new Gauge({ name: 'forksnap_last_rows', help: 'Rows of the last slice', registers })
  const bytes = new Gauge({ name: 'forksnap_last_bytes', help: 'Bytes of the last slice', registers })
  return watch(snapshotter, {
    forked: ({ pauseMs, forkMs }) => {
      pause.observe(seconds(pauseMs))
      fork.observe(seconds(forkMs))
    },
    saved: (saved) => {
      save.observe(seconds(saved.totalMs))
      rows.set(saved.rows)
      bytes.set(saved.bytes)
    },
  })
}

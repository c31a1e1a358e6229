import { readdirSync } from 'node:fs'
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

const GC_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
const GC_KINDS: ReadonlyMap<unknown, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
])

/**
 * The figures of the process under the names that dashboards know. prom-client's own collectors are not used, since two of
 * them go on measuring for as long as the process lives, whoever has closed what asked for them. Returns what ends this.
 */
export function registerProcess(registry: Registry): () => void {
  const registers = [registry]
  gauge(
    registry,
    'process_start_time_seconds',
    'When the process began, Unix time',
    () => performance.timeOrigin / 1000,
  )
  gauge(registry, 'process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss())
  gauge(registry, 'process_open_fds', 'Open file descriptors', openDescriptors)
  gauge(registry, 'nodejs_heap_size_total_bytes', 'Size of the heap', () => process.memoryUsage().heapTotal)
  gauge(registry, 'nodejs_heap_size_used_bytes', 'What of the heap is used', () => process.memoryUsage().heapUsed)
  gauge(registry, 'nodejs_external_memory_bytes', 'Memory outside of the heap', () => process.memoryUsage().external)
  const { user, system } = { user: 'process_cpu_user_seconds_total', system: 'process_cpu_system_seconds_total' }
  counter(registry, user, 'Time of processors in the program', () => process.cpuUsage().user / 1e6)
  counter(registry, system, 'Time of processors in the kernel', () => process.cpuUsage().system / 1e6)
  const version = new Gauge({
    name: 'nodejs_version_info',
    help: 'Version of Node',
    labelNames: ['version'],
    registers,
  })
  version.set({ version: process.version }, 1)
  return observeCollections(
    new Histogram({
      name: 'nodejs_gc_duration_seconds',
      help: 'Garbage collections by kind',
      labelNames: ['kind'],
      buckets: GC_BUCKETS_S,
      registers,
    }),
  )
}

function observeCollections(durations: Histogram<'kind'>): () => void {
  const observer = new PerformanceObserver((list) => {
    // The types know no entry's detail.
    for (const { detail, duration } of list.getEntries() as (PerformanceEntry & { detail: { kind: number } })[]) {
      const { kind } = detail
      durations.observe({ kind: GC_KINDS.get(kind) ?? 'unknown' }, duration / 1000)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return () => observer.disconnect()
}

/** NaN where the system does not tell. */
function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return NaN
  }
}

export function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  const collect = function (this: Gauge): void {
    this.set(read())
  }
  new Gauge({ name, help, registers: [registry], collect })
}

/** A counter that somebody else counts. */
export function counter(registry: Registry, name: string, help: string, read: () => number): void {
  const collect = function (this: Counter): void {
    this.reset()
    this.inc(read())
  }
  new Counter({ name, help, registers: [registry], collect })
}

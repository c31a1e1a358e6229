/**
 * `forksnap/prometheus`: a Snapshotter's figures as metrics of prom-client, which the program brings along. The main entry
 * never loads this file. docs/observability.md lists the metrics.
 */
import { Counter, Gauge, Histogram, type Metric, type Registry } from 'prom-client'
import { checkMethods, checkOptions, invalidArgument } from './checks'
import { ForksnapError } from './errors'
import { EVENT_METRICS, type EventMetric, STAT_METRICS, type StatMetric } from './metrics'
import type { SnapshotterStats } from './stats'

/** What is read of a Snapshotter, whatever its slices say of themselves. */
export interface ObservedSnapshotter {
  /** The figures that become gauges and counters, read each time the registry is asked for its metrics. */
  readonly stats: SnapshotterStats
  /** As that of an `EventEmitter`: the distributions are kept as the events come. */
  on(event: never, listener: never): unknown
  /** As that of an `EventEmitter`: called once the metrics are taken out again. */
  off(event: never, listener: never): unknown
}

/** What `collectMetrics` takes. */
export interface MetricsOptions {
  /** Where the metrics go. */
  readonly registry: Registry
  /** Before each name. Default `forksnap_`. */
  readonly prefix?: string
  /**
   * What tells this Snapshotter from others in the same registry, such as `{ shard: 'eu' }`. All that share a registry and
   * a prefix have the same names of labels, and no two the same values. Default: none.
   */
  readonly labels?: Readonly<Record<string, string>>
}

type Labels = Readonly<Record<string, string>>
type Observe = (event: never) => void

/** One registry's metrics of one prefix, and the Snapshotters that they are of. */
class Group {
  readonly #metrics: Metric[] = []
  readonly #observers: { readonly event: string; readonly observe: (labels: Labels, value: unknown) => void }[] = []
  readonly #sources = new Map<string, { readonly snapshotter: ObservedSnapshotter; readonly labels: Labels }>()

  constructor(
    private readonly registry: Registry,
    private readonly prefix: string,
    private readonly labelNames: readonly string[],
  ) {
    try {
      for (const [stat, metric] of Object.entries(STAT_METRICS) as [keyof SnapshotterStats, StatMetric<unknown>?][]) {
        if (metric !== undefined) this.#metrics.push(this.#ofStat(stat, metric))
      }
      for (const [event, metrics] of Object.entries(EVENT_METRICS) as [string, EventMetric<unknown>[]][]) {
        for (const metric of metrics) this.#metrics.push(this.#ofEvent(event, metric))
      }
    } catch (error) {
      // A name that is taken already: the others are not left behind.
      this.#unregister()
      throw error
    }
  }

  /** Whether the registry still has them: somebody may have cleared it. */
  get registered(): boolean {
    return this.#metrics.every((metric) => this.#has(metric))
  }

  /** Returns what ends it, once or more often. */
  add(snapshotter: ObservedSnapshotter, labels: Labels): () => void {
    const names = Object.keys(labels).sort()
    if (names.join() !== this.labelNames.join()) {
      const expected = this.labelNames.length === 0 ? 'missing' : `{ ${this.labelNames.join(', ')} }`
      throw invalidArgument('labels', `${expected}, like those of the others in this registry`, names.join(', '))
    }
    const key = JSON.stringify(names.map((name) => labels[name]))
    if (this.#sources.has(key)) {
      const message = 'The registry has metrics of a Snapshotter with these labels already: give each its own (labels)'
      throw new ForksnapError('ERR_INVALID_STATE', message)
    }
    this.#sources.set(key, { snapshotter, labels })
    this.#zero(labels)
    const listeners = this.#observers.map(({ event, observe }) => {
      const listener: Observe = (value) => observe(labels, value)
      snapshotter.on(event as never, listener as never)
      return { event, listener }
    })
    return () => {
      for (const { event, listener } of listeners.splice(0)) snapshotter.off(event as never, listener as never)
      if (this.#sources.delete(key)) this.#forget(labels)
    }
  }

  #config({ name, help }: { readonly name: string; readonly help: string }) {
    return { name: this.prefix + name, help, labelNames: [...this.labelNames], registers: [this.registry] }
  }

  #ofStat(stat: keyof SnapshotterStats, metric: StatMetric<unknown>): Metric {
    const values = () =>
      [...this.#sources.values()].map((source) => ({ ...source, value: metric.read(source.snapshotter.stats[stat]) }))
    if (metric.type === 'gauge') {
      return new Gauge({
        ...this.#config(metric),
        collect() {
          this.reset()
          for (const { labels, value } of values()) this.set(labels, value)
        },
      })
    }
    return new Counter({
      ...this.#config(metric),
      // Somebody else counts.
      collect() {
        this.reset()
        for (const { labels, value } of values()) this.inc(labels, value)
      },
    })
  }

  #ofEvent(event: string, metric: EventMetric<unknown>): Metric {
    const config = this.#config(metric)
    if (metric.buckets === undefined) {
      const gauge = new Gauge(config)
      this.#observers.push({ event, observe: (labels, value) => gauge.set(labels, metric.read(value)) })
      return gauge
    }
    const histogram = new Histogram({ ...config, buckets: [...metric.buckets] })
    this.#observers.push({ event, observe: (labels, value) => histogram.observe(labels, metric.read(value)) })
    return histogram
  }

  /** Whatever events tell begins at 0, so that the first one is an increase. */
  #zero(labels: Labels): void {
    for (const metric of this.#metrics) {
      if (metric instanceof Histogram) metric.zero(labels)
      else if (metric instanceof Gauge) metric.set(labels, 0)
    }
  }

  #forget(labels: Labels): void {
    if (this.#sources.size === 0) this.#unregister()
    else for (const metric of this.#metrics) metric.remove(labels)
  }

  #has(metric: Metric): boolean {
    const { name } = metric as unknown as { readonly name: string }
    return this.registry.getSingleMetric(name) === metric
  }

  #unregister(): void {
    for (const metric of this.#metrics.filter((one) => this.#has(one))) {
      this.registry.removeSingleMetric((metric as unknown as { readonly name: string }).name)
    }
  }
}

const groups = new WeakMap<Registry, Map<string, Group>>()

function groupOf(registry: Registry, prefix: string, labels: Labels): Group {
  const ofRegistry = groups.get(registry) ?? new Map<string, Group>()
  groups.set(registry, ofRegistry)
  const known = ofRegistry.get(prefix)
  if (known?.registered === true) return known
  const group = new Group(registry, prefix, Object.keys(labels).sort())
  ofRegistry.set(prefix, group)
  return group
}

/**
 * Adds a Snapshotter's metrics to a registry of prom-client. They are read when the registry is asked for them; only
 * distributions are kept as events come. Several Snapshotters share the metrics and differ by `labels`. Returns a
 * function that takes this one's out again. Throws `ERR_INVALID_ARGUMENT`, `ERR_INVALID_STATE` if the labels are in use,
 * or prom-client's error if a name is.
 */
export function collectMetrics(snapshotter: ObservedSnapshotter, options: MetricsOptions): () => void {
  checkMethods('snapshotter', snapshotter, ['on', 'off'])
  checkOptions('options', options, ['registry', 'prefix', 'labels'])
  const { registry, prefix = 'forksnap_', labels = {} } = options
  checkMethods('registry', registry, ['registerMetric', 'getSingleMetric', 'removeSingleMetric'])
  if (!/^[a-z_:][a-z0-9_:]*$/i.test(prefix))
    throw invalidArgument('prefix', 'the beginning of a name of metrics', prefix)
  return groupOf(registry, prefix, labels).add(snapshotter, labels)
}

import { Counter, Gauge, Registry } from 'prom-client'
import { Snapshotter } from '../../src/snapshotter'
import { collectMetrics } from '../../src/prometheus'
import { FileStore } from '../../src/store/file'
import { EVENT_METRICS, STAT_METRICS } from '../../src/metrics'

/** Snapshotters that are not started: their figures, and the events that stand for forks, are what is read. */
const snapshotter = () => new Snapshotter({ store: new FileStore({ directory: './unused' }), write: () => undefined })

const NAMES = [
  ...Object.values(STAT_METRICS).flatMap((metric) => (metric === undefined ? [] : [metric.name])),
  ...Object.values(EVENT_METRICS).flatMap((metrics) => metrics.map(({ name }) => name)),
].map((name) => `forksnap_${name}`)

const forked = { pid: 1, quiesceMs: 9, parkedMs: 1, forkMs: 1.5, pauseMs: 3, sliceId: 1n, reason: 'manual' } as const

async function samples(registry: Registry): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

describe('collectMetrics', () => {
  it('reads the stats when the registry is asked, and counts events as they come', async () => {
    const registry = new Registry()
    const one = snapshotter()
    collectMetrics(one, { registry })
    one.changed(5)
    one.emit('forked', forked)
    const lines = await samples(registry)
    expect(lines).toEqual(
      expect.arrayContaining([
        'forksnap_changes_since_last_save 5',
        'forksnap_saves_total 0',
        'forksnap_last_save_ok 1',
        'forksnap_last_success_timestamp_seconds 0',
        'forksnap_pause_seconds_sum 0.003',
        'forksnap_pause_seconds_bucket{le="0.0025"} 0',
        'forksnap_pause_seconds_bucket{le="0.005"} 1',
        'forksnap_fork_seconds_sum 0.0015',
        'forksnap_save_seconds_count 0',
        'forksnap_last_rows 0',
      ]),
    )
    expect(
      registry
        .getMetricsAsArray()
        .map(({ name }) => name)
        .sort(),
    ).toEqual([...NAMES].sort())
  })

  it('names everything as Prometheus asks for: base units, and `_total` for counters alone', () => {
    const registry = new Registry()
    collectMetrics(snapshotter(), { registry })
    for (const name of NAMES) {
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
      expect(name).not.toMatch(/_(ms|usec|milliseconds|kb|mb)(_|$)/)
      const metric = registry.getSingleMetric(name)
      expect({ name, total: metric instanceof Counter }).toEqual({ name, total: name.endsWith('_total') })
    }
  })

  it('tells several Snapshotters apart by labels, and lets each go by itself', async () => {
    const registry = new Registry()
    const [eu, us] = [snapshotter(), snapshotter()]
    const stopEu = collectMetrics(eu, { registry, prefix: 'book_', labels: { shard: 'eu' } })
    const stopUs = collectMetrics(us, { registry, prefix: 'book_', labels: { shard: 'us' } })
    eu.changed(1)
    us.changed(2)
    us.emit('forked', forked)
    const both = ['book_changes_since_last_save{shard="eu"} 1', 'book_changes_since_last_save{shard="us"} 2']
    expect(await samples(registry)).toEqual(
      expect.arrayContaining([
        ...both,
        'book_pause_seconds_count{shard="eu"} 0',
        'book_pause_seconds_count{shard="us"} 1',
      ]),
    )
    stopEu()
    stopEu()
    eu.emit('forked', forked)
    const rest = await samples(registry)
    expect(rest).toContain('book_changes_since_last_save{shard="us"} 2')
    expect(rest.filter((line) => line.includes('"eu"'))).toEqual([])
    expect(eu.listenerCount('forked')).toBe(0)
    stopUs()
    expect(registry.getMetricsAsArray()).toEqual([])
    collectMetrics(us, { registry, prefix: 'book_', labels: { shard: 'us' } })
    expect(await samples(registry)).toContain('book_changes_since_last_save{shard="us"} 2')
  })

  it('refuses labels that are in use, or are not those of the others', () => {
    const registry = new Registry()
    const stop = collectMetrics(snapshotter(), { registry, labels: { shard: 'eu' } })
    const add = (labels: Record<string, string>) => () => collectMetrics(snapshotter(), { registry, labels })
    expect(add({ shard: 'eu' })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }))
    expect(add({ region: 'eu' })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    expect(add({})).toThrow(/labels must be \{ shard \}/)
    stop()
    expect(add({ region: 'eu' })).not.toThrow()
  })

  it('refuses a name that is taken, and leaves nothing of its own behind', () => {
    const registry = new Registry()
    new Gauge({ name: 'forksnap_saves_total', help: 'of somebody else', registers: [registry] })
    expect(() => collectMetrics(snapshotter(), { registry })).toThrow(/forksnap_saves_total/)
    expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual(['forksnap_saves_total'])
  })

  it('works again in a registry that was cleared', async () => {
    const registry = new Registry()
    const one = snapshotter()
    const stop = collectMetrics(one, { registry })
    registry.clear()
    collectMetrics(one, { registry })
    stop()
    expect(await samples(registry)).toContain('forksnap_saves_total 0')
  })

  it.each([
    ['registry', { registry: {} }],
    ['prefix', { registry: new Registry(), prefix: '9-' }],
    ['options has no option "label"', { registry: new Registry(), label: {} }],
  ])('refuses what is no %s', (what, options) => {
    expect(() => collectMetrics(snapshotter(), options as never)).toThrow(what)
  })
})

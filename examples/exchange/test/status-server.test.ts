import { request } from 'node:http'
import { runFixture } from '../../../test/helpers/fixture'
import { StatusFixture } from './status-fixture'

/** Samples of a page of metrics by name and labels; every line that is no comment has to be one. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, name, value] = /^([a-z_][a-z0-9_]*(?:\{[^}]*\})?) (\S+)$/i.exec(line) ?? []
    if (name === undefined || Number.isNaN(Number(value))) throw new Error(`this is no sample: ${line}`)
    samples.set(name, Number(value))
  }
  return samples
}

/** Answers of the given exchange to a request that `fetch` would not send. */
function ask(url: string, options: { method?: string; headers?: Record<string, string> }): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(url, options, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asked.on('error', reject).end()
  })
}

describe('status server', () => {
  let exchange: StatusFixture

  beforeEach(async () => {
    exchange = await StatusFixture.start()
  })

  afterEach(() => exchange.end())

  const metrics = async () => {
    const response = await fetch(`${exchange.url}/metrics`)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    return parse(await response.text())
  }

  it('has metrics that move with a snapshot', async () => {
    const figures = JSON.parse(await exchange.say('trade 1000')) as Record<string, number>
    const before = await metrics()
    expect(before.get('forksnap_saves_total')).toBe(0)
    expect(before.get('forksnap_last_success_timestamp_seconds')).toBe(0)
    expect(before.get('forksnap_changes_since_last_save')).toBe(1000)
    expect(before.get('exchange_open_orders')).toBe(figures.openOrders)
    expect(before.get('exchange_trades_total')).toBe(figures.tradeId)

    const saved = JSON.parse(await exchange.say('save')) as Record<string, number>
    const after = await metrics()
    expect(after.get('forksnap_saves_total')).toBe(1)
    expect(after.get('forksnap_last_rows')).toBe(saved.rows)
    expect(after.get('forksnap_last_bytes')).toBe(saved.bytes)
    expect(after.get('forksnap_pause_seconds_count')).toBe(1)
    expect(after.get('forksnap_pause_seconds_sum')).toBeCloseTo((saved.pauseMs ?? NaN) / 1000, 9)
    expect(after.get('forksnap_fork_seconds_sum')).toBeLessThanOrEqual(after.get('forksnap_pause_seconds_sum') ?? 0)
    expect(after.get('forksnap_last_cow_bytes')).toBeGreaterThan(0)
    expect(after.get('forksnap_changes_since_last_save')).toBe(0)
    const lastSuccess = after.get('forksnap_last_success_timestamp_seconds') ?? 0
    expect(Math.abs(Date.now() / 1000 - lastSuccess)).toBeLessThan(60)
    expect(after.get('process_resident_memory_bytes')).toBeGreaterThan(1e6)
  })

  it('counts what failed, in metrics too', async () => {
    await exchange.say('save')
    const lastSuccess = (await metrics()).get('forksnap_last_success_timestamp_seconds')
    await exchange.say('fail no room')
    const after = await metrics()
    expect(after.get('forksnap_save_failures_total')).toBe(1)
    expect(after.get('forksnap_last_save_ok')).toBe(0)
    expect(after.get('forksnap_last_success_timestamp_seconds')).toBe(lastSuccess)
    expect(after.get('forksnap_pause_seconds_count')).toBe(2)
  })

  it('knows the longest delay of the event loop', async () => {
    const began = performance.now()
    const { delay } = await exchange.view()
    await exchange.say('block 250')
    // The sample that holds the pause ends with the timer's first tick after it, at the latest 200 ms later.
    let later = await exchange.view(delay.end)
    while (Math.max(0, ...later.delay.delays) < 200) later = await exchange.view(delay.end)
    expect(Math.max(...later.delay.delays)).toBeLessThan(performance.now() - began)
    expect((await exchange.view(later.delay.end)).delay.times).toHaveLength(0)
    const seen = await metrics()
    const [above, all] = [
      'exchange_event_loop_delay_seconds_bucket{le="0.1"}',
      'exchange_event_loop_delay_seconds_count',
    ]
    expect(seen.get(above)).toBeLessThan(seen.get(all) ?? 0)
  })

  it('answers a negative, an absurd and no number of a first sample alike', async () => {
    const { delay } = await exchange.view()
    for (const since of ['-5', '1e300', 'x', '9007199254740991', '']) {
      const response = await fetch(`${exchange.url}/status.json?since=${since}`)
      expect(response.status).toBe(200)
    }
    expect(delay.times.length).toBe(delay.delays.length)
  })

  it('keeps out pages of other hosts, other methods and other paths', async () => {
    expect(await ask(exchange.url, { headers: { host: 'exchange.example' } })).toBe(421)
    expect(await ask(exchange.url, { headers: { host: '127.0.0.1.exchange.example' } })).toBe(421)
    expect(await ask(exchange.url, { headers: { host: 'localhost' } })).toBe(200)
    expect(await ask(exchange.url, { method: 'POST' })).toBe(405)
    expect(await ask(exchange.url, { method: 'HEAD' })).toBe(200)
    expect(await ask(`${exchange.url}/toString`, {})).toBe(404)
    expect(await ask(`${exchange.url}/../../package.json`, {})).toBe(404)
  })

  it('allows its page nothing but itself', async () => {
    const { headers } = await fetch(exchange.url)
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'sha256-[^ ]+'; style-src/)
  })
})

describe('a status server that is closed', () => {
  it('leaves nothing behind that goes on measuring, and another one can be started beside it and after it', async () => {
    const seen = await runFixture('status-closed', [], { nodeOptions: ['--expose-gc'] })
    expect(seen).toEqual({ measured: [true, true, true, true], sources: 3, left: 0 })
  })
})

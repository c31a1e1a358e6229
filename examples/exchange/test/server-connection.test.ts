import { refusal } from './exchange-client'
import { ServerProgram, temporaryDirectory } from './server-program'

const SNAPSHOTS = 200
const CALLS = 8

const directory = temporaryDirectory()

describe('one connection', () => {
  it(`has no error and no reset while ${SNAPSHOTS} snapshots are taken`, async () => {
    const server = await ServerProgram.start(['--directory', directory.path, '--debug', '--log', 'no'])
    const client = server.client()
    const [seller, buyer] = [await client.user({ ETH: '1000000' }), await client.user({ USDT: '1000000' })]
    let done = false
    let calls = 0
    /** Rests, trades, asks: each answer is checked. A reset connection would fail the calls that were open. */
    const trade = async (): Promise<void> => {
      while (!done) {
        const ask = await client.put(seller, 'ASK', '0.01', '1')
        const bid = await client.put(buyer, 'BID', '0.01', '1')
        expect(Number(bid.id)).toBeGreaterThan(Number(ask.id))
        expect([ask.finished_base, bid.finished_base]).toEqual(['0.0000', '0.0100'])
        expect((await client.call('BalanceQuery', { user_id: buyer })).balances).toHaveLength(6)
        calls += 3
      }
    }
    const traders = Array.from({ length: CALLS }, trade)
    for (let i = 0; i < SNAPSHOTS; i++) await client.call('DebugDump')
    done = true
    await Promise.all(traders)
    expect(calls).toBeGreaterThan(SNAPSHOTS)
    const summary = (await client.call('MarketSummary', { markets: ['ETH_USDT'] })).market_summaries[0]
    expect(summary).toMatchObject({ ask_count: 0, bid_count: 0, trade_count: String(calls / 3) })
    expect(await refusal(client.call('OrderDetail', { market: 'ETH_USDT', order_id: '1' }))).toMatch(/invalid order_id/)
    const end = await server.end('SIGTERM')
    expect(end.stdout).not.toContain('"level":50')
    expect(end.code).toBe(0)
  }, 240_000)
})

import { once } from 'node:events'
import http2 from 'node:http2'
import { connect, type Socket } from 'node:net'
import { loadSync } from '@grpc/proto-loader'
import { join } from 'node:path'
import type { Rpc } from '../server/wire'
import { type ExchangeClient, refusal } from './exchange-client'
import { TestServer } from './server-kit'

const LIMITS = { connections: 4, streams: 20, messageBytes: 65_536 }

let server: TestServer
let client: ExchangeClient
let user_id: number

beforeEach(async () => {
  server = await TestServer.start({ limits: LIMITS })
  client = server.client()
  user_id = await client.user({ ETH: '100', USDT: '2000' })
})

afterEach(() => server.dispose())

const position = (): [string, bigint] => [server.digest(), server.exchange.log.lastId]

/** A field of a message that holds bytes: strings have no other form. */
function field(number: number, bytes: Buffer): Buffer {
  const length = []
  for (let rest = bytes.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest)
    if (rest <= 127) break
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes])
}

/** As a client that trusts its numbers would send it: negative ones in ten bytes. */
const varint = (number: number, value: bigint): Buffer => {
  const bytes = [number << 3]
  for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
    bytes.push(rest > 127n ? Number(rest & 127n) | 128 : Number(rest))
    if (rest <= 127n) return Buffer.from(bytes)
  }
}

const CHANGING: readonly Rpc[] = [
  ...(['RegisterUser', 'BalanceUpdate', 'OrderPut', 'OrderCancel', 'OrderCancelAll', 'Transfer'] as const),
]

describe('absurd numbers are refused and change nothing', () => {
  const absurd = ['NaN', 'Infinity', '-Infinity', '1e999', '1e1', '9'.repeat(10_000), `0.${'9'.repeat(10_000)}`, '0x10']
  const strange = [' 1', '1 ', '+1', '1,5', '.5', '5.', '--1', '-', '٣', '1\0', '１', '🙂']

  it.each([...absurd, ...strange].map((text) => ({ text, shown: JSON.stringify(text.slice(0, 20)) })))(
    '$shown',
    async ({ text }) => {
      // What could be moved if the text were a number; to oneself nothing ever can.
      const to = await client.user()
      const before = position()
      const order = { user_id, market: 'ETH_USDT', order_side: 'BID', amount: '1', price: '1' } as const
      const update = { user_id, asset: 'ETH', business: 'x', business_id: '1', delta: text }
      for (const call of [
        client.call('OrderPut', { ...order, amount: text }),
        client.call('OrderPut', { ...order, price: text }),
        client.call('OrderPut', { ...order, taker_fee: text }),
        client.call('BalanceUpdate', update),
        client.call('OrderBookDepth', { market: 'ETH_USDT', limit: 1, interval: text }),
      ]) {
        expect(await refusal(call)).toMatch(/^INVALID_ARGUMENT .{1,40}$/)
      }
      const transfer = await client.call('Transfer', { from: user_id, to, asset: 'ETH', delta: text })
      expect(transfer.success).toBe(false)
      expect(server.digest()).toBe(before[0])
    },
  )

  it('negative ids', async () => {
    const before = position()
    const text = (number: number, value: string): Buffer => field(number, Buffer.from(value))
    const order = [text(2, 'ETH_USDT'), varint(3, 1n), text(5, '1'), text(6, '1')]
    for (const [rpc, ...fields] of [
      ['OrderPut', varint(1, -1n), ...order],
      ['OrderCancel', varint(1, BigInt(user_id)), text(2, 'ETH_USDT'), varint(3, -1n)],
      ['OrderCancelAll', varint(1, -7n), text(2, 'ETH_USDT')],
      ['BalanceQuery', varint(1, -1n)],
      ['OrderDetail', text(1, 'ETH_USDT'), varint(2, -1n)],
      ['Transfer', varint(1, -1n), varint(2, BigInt(user_id)), text(3, 'ETH'), text(4, '1')],
    ] as [Rpc, ...Buffer[]][]) {
      expect(await refusal(client.callRaw(rpc, Buffer.concat(fields)))).toMatch(/^INVALID_ARGUMENT /)
    }
    expect(position()).toEqual(before)
  })
})

describe('malformed requests get an error and change nothing', () => {
  it.each(CHANGING)('%s: bytes that are no message', async (rpc) => {
    const before = position()
    const valid = field(2, Buffer.from('ETH_USDT'))
    for (const bytes of [
      Buffer.from([0xff]),
      Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]),
      valid.subarray(0, -1),
      Buffer.from([0x0b, 0x0b, 0x0b]),
      Buffer.from([0x00, 0x00]),
      Buffer.from([0x1a, 0x05, 0x31]),
      field(2, Buffer.from([0x61, 0xff, 0x61])),
      Buffer.concat([valid, Buffer.from([0x0d, 1, 2, 3, 4])]),
      Buffer.concat([valid, Buffer.from([0x09, 1, 2, 3])]),
      Buffer.concat([valid, Buffer.from([0x3d, 1, 2])]),
      Buffer.alloc(100, 0x80),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ]) {
      expect(await refusal(client.callRaw(rpc, bytes))).toMatch(/^INTERNAL /)
    }
    expect(position()).toEqual(before)
  })

  it('but fields that the server does not know are passed over', async () => {
    const more = Buffer.concat([field(14, Buffer.from([0xff])), varint(15, -1n)])
    expect(await client.callRaw('RegisterUser', more)).toBeInstanceOf(Buffer)
  })

  it('random bytes never end the server', async () => {
    let seed = 7
    const random = (): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) >>> 16
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(Array.from({ length: random() % 60 }, () => random() & 255))
      await client.callRaw(CHANGING[i % CHANGING.length], bytes).catch(() => undefined)
    }
    expect((await client.call('BalanceQuery', { user_id, assets: ['ETH'] })).balances).toHaveLength(1)
  })

  it('a call that the service does not have', async () => {
    expect(await refusal(client.callRaw('Nothing' as Rpc, Buffer.alloc(0)))).toMatch(/^UNIMPLEMENTED /)
  })
})

describe('the size of a request', () => {
  it('is bounded', async () => {
    const before = position()
    const update = { user_id, asset: 'ETH', business: 'x', business_id: '1', delta: '1' }
    const detail = JSON.stringify('x'.repeat(LIMITS.messageBytes))
    expect(await refusal(client.call('BalanceUpdate', { ...update, detail }))).toMatch(/^RESOURCE_EXHAUSTED /)
    const assets = Array.from({ length: LIMITS.messageBytes }, () => 'ETH')
    expect(await refusal(client.call('BalanceQuery', { user_id, assets }))).toMatch(/^RESOURCE_EXHAUSTED /)
    expect(position()).toEqual(before)
  })

  it('lets through what is below', async () => {
    const detail = JSON.stringify('x'.repeat(LIMITS.messageBytes - 200))
    const update = { user_id, asset: 'ETH', business: 'x', business_id: '1', delta: '1', detail }
    expect(await client.call('BalanceUpdate', update)).toEqual({})
  })
})

describe('connections', () => {
  it('beyond the limit are closed at once, and there is room again when others go', async () => {
    const sockets: Socket[] = []
    const { port } = server.exchange
    const open = async (): Promise<Socket> => {
      const socket = connect(port, '127.0.0.1')
      sockets.push(socket)
      socket.on('error', () => undefined).resume()
      await once(socket, 'connect')
      return socket
    }
    // The client of the test has one already.
    for (let i = 1; i < LIMITS.connections; i++) await open()
    for (let i = 0; i < 5; i++) await once(await open(), 'close')
    expect(server.exchange.connections).toBe(LIMITS.connections)
    expect(await refusal(server.client().call('AssetList'))).toMatch(/^UNAVAILABLE /)
    expect(await client.call('AssetList')).toBeDefined()
    const gone = Promise.all(sockets.filter((socket) => !socket.closed).map((socket) => once(socket, 'close')))
    for (const socket of sockets) socket.destroy()
    await gone
    const later = server.client()
    while (server.exchange.connections > 1) await new Promise(setImmediate)
    expect(await later.call('AssetList')).toBeDefined()
  })

  it('that speak something else are closed and leave the server alone', async () => {
    const { port } = server.exchange
    for (const text of ['GET / HTTP/1.1\r\nhost: x\r\n\r\n', '\x16\x03\x01\x02\x00', 'x'.repeat(100_000)]) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined).resume()
      socket.write(text)
      await once(socket, 'close')
    }
    expect(await client.call('AssetList')).toBeDefined()
  })

  it('have no more calls open than the limit, and all are answered', async () => {
    const calls = Array.from({ length: LIMITS.streams * 10 }, () => client.put(user_id, 'BID', '0.001', '1'))
    const ids = (await Promise.all(calls)).map(({ id }) => Number(id)).sort((a, b) => a - b)
    expect(ids).toEqual(calls.map((_, i) => i + 1))
    // Clients keep to what they are told; what goes beyond it is refused by HTTP/2 itself.
    const session = http2.connect(`http://127.0.0.1:${server.exchange.port}`)
    await once(session, 'remoteSettings')
    expect(session.remoteSettings.maxConcurrentStreams).toBe(LIMITS.streams)
    session.destroy()
  })
})

describe('open orders', () => {
  it('of a user are 1,000 at most', async () => {
    for (let i = 0; i < 1000; i += 50) {
      await Promise.all(Array.from({ length: 50 }, () => client.put(user_id, 'BID', '0.001', '1')))
    }
    const before = position()
    const reason = 'RESOURCE_EXHAUSTED too many open orders: a user can have 1000'
    expect(await refusal(client.put(user_id, 'BID', '0.001', '1'))).toBe(reason)
    expect(position()).toEqual(before)
    await client.call('OrderCancel', { user_id, market: 'ETH_USDT', order_id: '1' })
    expect(await client.put(user_id, 'BID', '0.001', '1')).toMatchObject({ id: '1001' })
    const { total, orders } = await client.call('OrderQuery', { user_id, market: 'ETH_USDT', limit: 2 ** 31 - 1 })
    expect([total, orders.length]).toEqual([1000, 1000])
  })
})

describe('the proto file', () => {
  it('has the numbers that clients of the original know', () => {
    const path = join(__dirname, '../proto/matchengine.proto')
    const definition = loadSync(path, { keepCase: true })
    type Fields = { type: { field: { name: string; number: number }[] } }
    const fieldsOf = (message: string): string[] =>
      (definition[`matchengine.${message}`] as unknown as Fields).type.field.map(
        ({ name, number }) => `${name} ${number}`,
      )
    expect(fieldsOf('OrderInfo')).toEqual([
      ...['id 1', 'market 2', 'order_side 3', 'order_type 4', 'user_id 5', 'create_time 6', 'update_time 7'],
      ...['price 8', 'amount 9', 'taker_fee 10', 'maker_fee 11', 'remain 12', 'finished_base 13'],
      ...['finished_quote 14', 'finished_fee 15', 'post_only 16'],
    ])
    expect(fieldsOf('OrderPutRequest')).toEqual([
      ...['user_id 1', 'market 2', 'order_side 3', 'order_type 4', 'amount 5', 'price 6', 'quote_limit 7'],
      ...['taker_fee 8', 'maker_fee 9', 'post_only 10', 'signature 11'],
    ])
    expect(fieldsOf('BalanceUpdateRequest')).toEqual([
      ...['user_id 1', 'asset 2', 'business 3', 'business_id 4', 'delta 5', 'detail 6'],
    ])
    expect(fieldsOf('TransferRequest')).toEqual(['from 1', 'to 2', 'asset 3', 'delta 4', 'memo 5'])
  })
})

import net from 'node:net'
import { NumberedCheck, numberedChunk } from '../fixtures/numbered'
import { Fixture } from '../helpers/fixture'

/** Under a sanitizer each takes several times as long, and what it looks for shows in the first. */
const SNAPSHOTS = /lib[at]san/.test(process.env.LD_PRELOAD ?? '') ? 25 : 100
/** A hundred snapshots of a busy server take half a minute on two loaded cores. */
const TIMEOUT_MS = 300_000

interface Report {
  complaints: string[]
  count: Record<string, number>
  children: number[]
  published: Record<string, number>
}

/** Sends a numbered stream for as long as the server sends one; resolves with what came and went. */
function client(port: number): Promise<{ sent: number; check: NumberedCheck }> {
  const check = new NumberedCheck()
  const socket = net.connect(port, '127.0.0.1')
  let sent = 0
  let over = false
  const send = (): void => {
    if (over) return
    const chunk = numberedChunk(sent)
    sent += chunk.length
    if (socket.write(chunk)) setImmediate(send)
    else socket.once('drain', send)
  }
  return new Promise((resolve, reject) => {
    socket.once('connect', send).on('data', (data) => check.take(data))
    socket.on('end', () => (over = true)).on('error', reject)
    socket.on('close', () => resolve({ sent, check }))
  })
}

describe(`a server that is saved ${SNAPSHOTS} times`, () => {
  it(
    'loses or doubles no byte, timer, promise or exit event',
    async () => {
      const fixture = new Fixture('fork-server', [String(SNAPSHOTS)])
      const port = Number((await fixture.line(/^port/)).split(' ')[1])
      const clients = await Promise.all([client(port), client(port), client(port)])
      const { code, stdout, stderr } = await fixture.closed
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const { complaints, count, published, children } = JSON.parse(stdout.split('\n').at(-1) ?? '') as Report
      expect({ complaints, children }).toEqual({ complaints: [], children: [] })
      expect(clients.map(({ check }) => check.problem)).toEqual([undefined, undefined, undefined])
      expect(published).toEqual({ saves: SNAPSHOTS, failures: 0, position: SNAPSHOTS - 1 })
      expect(count).toMatchObject({ timeouts: SNAPSHOTS, promises: SNAPSHOTS, exits: SNAPSHOTS, clients: 3 })
      expect(count.intervals).toBeGreaterThan(0)
      expect(clients.reduce((sum, { check }) => sum + check.taken, 0)).toBe(count.bytesOut)
      expect(clients.reduce((sum, { sent }) => sum + sent, 0)).toBe(count.bytesIn)
      expect(count.bytesIn).toBeGreaterThan(1_000_000)
    },
    TIMEOUT_MS,
  )
})

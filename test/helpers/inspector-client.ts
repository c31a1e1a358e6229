import { once } from 'node:events'
import { request } from 'node:http'
import type { Socket } from 'node:net'

/** Talks to `node --inspect` over its WebSocket, of which it knows only what that takes. */

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: Record<string, unknown>
  readonly error?: { readonly message: string }
}

const TEXT = 1
const CLOSE = 8
const MASKED = 0x80
const LENGTH_16 = 126
const LENGTH_64 = 127

/** Text in one frame; a client has to mask it, if only with zeros. */
function frameOf(kind: number, text: string): Buffer {
  const payload = Buffer.from(text)
  if (payload.length >= LENGTH_16) throw new RangeError('only short questions')
  return Buffer.concat([Buffer.from([0x80 | kind, MASKED | payload.length, 0, 0, 0, 0]), payload])
}

export class InspectorClient {
  #buffer = Buffer.alloc(0)
  #text: Buffer[] = []
  #lastId = 0
  readonly #events: Message[] = []
  readonly #waiting = new Map<number, (message: Message) => void>()

  private constructor(private readonly socket: Socket) {
    socket.on('data', (data: Buffer) => this.#read(data))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      for (const answer of this.#waiting.values()) answer({ error: { message: 'the program has gone' } })
    })
  }

  /** By the address that Node tells at its start. */
  static connect(url: string): Promise<InspectorClient> {
    const { hostname, port, pathname } = new URL(url)
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
    }
    return new Promise((resolve, reject) => {
      const asking = request({ hostname, port, path: pathname, headers })
      asking.on('upgrade', (_, socket: Socket) => resolve(new InspectorClient(socket)))
      asking.on('error', reject)
      asking.end()
    })
  }

  async ask(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown> | undefined> {
    const id = ++this.#lastId
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve))
    this.socket.write(frameOf(TEXT, JSON.stringify({ id, method, params })))
    const { result, error } = await answer
    this.#waiting.delete(id)
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result
  }

  /** What has come so far. */
  events(method: string): Record<string, unknown>[] {
    return this.#events.filter((event) => event.method === method).map(({ params }) => params ?? {})
  }

  /** Resolves once the other side has closed, too. */
  async close(): Promise<void> {
    const closed = once(this.socket, 'close')
    this.socket.write(frameOf(CLOSE, ''))
    await closed
  }

  #read(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data])
    for (let frame = this.#frame(); frame !== undefined; frame = this.#frame()) {
      if (frame.kind === CLOSE) {
        this.socket.end()
        continue
      }
      this.#text.push(frame.payload)
      if (!frame.last) continue
      const message = JSON.parse(Buffer.concat(this.#text).toString()) as Message
      this.#text = []
      if (message.id === undefined) this.#events.push(message)
      else this.#waiting.get(message.id)?.(message)
    }
  }

  /** The next whole frame, taken out of what has come. */
  #frame(): { readonly kind: number; readonly last: boolean; readonly payload: Buffer } | undefined {
    const buffer = this.#buffer
    const short = (buffer[1] ?? 0) & ~MASKED
    const start = short === LENGTH_64 ? 10 : short === LENGTH_16 ? 4 : 2
    if (buffer.length < start) return undefined
    const length = start === 10 ? Number(buffer.readBigUInt64BE(2)) : start === 4 ? buffer.readUInt16BE(2) : short
    if (buffer.length < start + length) return undefined
    this.#buffer = buffer.subarray(start + length)
    return { kind: buffer[0] & 0x0f, last: (buffer[0] & 0x80) !== 0, payload: buffer.subarray(start, start + length) }
  }
}

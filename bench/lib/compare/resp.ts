/** As much of Redis's protocol (RESP 2) as the comparison needs: commands one after the other on a Unix socket. */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'

export type Reply = string | number | null | RedisError

/** What the server answered with `-`. */
export class RedisError extends Error {}

const LINE_END = '\r\n'

export function encodeCommand(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}${LINE_END}${word}${LINE_END}`)
  return `*${words.length}${LINE_END}${parts.join('')}`
}

/** Finds the replies in a stream of bytes. Arrays are refused: no command that is used answers with one. */
export class ReplyParser {
  private rest: Buffer = Buffer.alloc(0)

  push(data: Buffer): Reply[] {
    this.rest = this.rest.length === 0 ? data : Buffer.concat([this.rest, data])
    const replies: Reply[] = []
    let at = 0
    for (;;) {
      const found = replyAt(this.rest, at)
      if (found === undefined) break
      replies.push(found.reply)
      at = found.end
    }
    this.rest = this.rest.subarray(at)
    return replies
  }
}

/** The reply that begins there, or undefined if it is not complete yet. */
function replyAt(data: Buffer, at: number): { readonly reply: Reply; readonly end: number } | undefined {
  const lineEnd = data.indexOf(LINE_END, at)
  if (lineEnd < 0) return undefined
  const line = data.toString('utf8', at + 1, lineEnd)
  const end = lineEnd + LINE_END.length
  const type = String.fromCharCode(data[at] ?? 0)
  if (type === '+') return { reply: line, end }
  if (type === '-') return { reply: new RedisError(line), end }
  if (type === ':') return { reply: Number(line), end }
  if (type !== '$') throw new Error(`a reply of a kind that is not expected: ${type}${line}`)
  const length = Number(line)
  if (length < 0) return { reply: null, end }
  if (data.length < end + length + LINE_END.length) return undefined
  return { reply: data.toString('utf8', end, end + length), end: end + length + LINE_END.length }
}

export class RedisClient {
  private readonly parser = new ReplyParser()
  private readonly waiting: { resolve(reply: Reply): void; reject(error: Error): void }[] = []

  private constructor(private readonly socket: Socket) {
    socket.on('data', (data) => {
      for (const reply of this.parser.push(data)) this.waiting.shift()?.resolve(reply)
    })
    const fail = (error: Error): void => {
      for (const one of this.waiting.splice(0)) one.reject(error)
    }
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('redis-server closed the connection')))
  }

  static async connect(path: string): Promise<RedisClient> {
    const socket = createConnection({ path })
    await once(socket, 'connect')
    return new RedisClient(socket)
  }

  /** Sends all at once; resolves with all replies. Rejects with the first error among them. */
  async pipeline(commands: readonly (readonly string[])[]): Promise<Reply[]> {
    const replies = commands.map(() => new Promise<Reply>((resolve, reject) => this.waiting.push({ resolve, reject })))
    this.socket.write(commands.map(encodeCommand).join(''))
    const all = await Promise.all(replies)
    for (const reply of all) if (reply instanceof RedisError) throw reply
    return all
  }

  async command(...words: string[]): Promise<Reply> {
    const [reply = null] = await this.pipeline([words])
    return reply
  }

  end(): void {
    this.socket.destroy()
  }
}

/** The fields of INFO's answer by name, as text; titles and empty lines are left out. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return fields
}

import { isAscii } from 'node:buffer'
import type { JsonValue } from '../slice/types'
import { entryCrc } from './entry-crc'
import { type BatchHeader, ENTRY_HEADER_BYTES, entrySeed } from './file-format'
import type { LogEntry } from './oplog'

export interface DecodedBatch {
  /** Empty if the batch is damaged or only to be verified. */
  readonly entries: LogEntry[]
  /** Offset in the body of the first entry that is damaged; undefined if none is. */
  readonly damagedAt: number | undefined
  /** Offset in the body of an entry that is sound by its checksum and holds no JSON, which no crash can bring about. */
  readonly unreadableAt?: number
}

class UnreadableEntry extends Error {
  constructor(readonly at: number) {
    super()
  }
}

/** Verifies every entry of a body, and decodes them if `decode` says so. */
export function decodeBody(body: Buffer, header: BatchHeader, epochsSeed: number, decode: boolean): DecodedBatch {
  /** Where each entry begins, and where the last one ends. */
  const bounds: number[] = [0]
  let seed = entrySeed(epochsSeed, header.firstId)
  let at = 0
  for (let i = 0; i < header.entries; i++) {
    const end = entryEnd(body, at, seed)
    if (end === undefined) return { entries: [], damagedAt: at }
    seed = (seed + 1) >>> 0
    at = end
    bounds.push(end)
  }
  // Fewer bytes than the header says are there where the file ends.
  if (at !== header.bodyBytes) return { entries: [], damagedAt: at }
  if (!decode) return { entries: [], damagedAt: undefined }
  try {
    return { entries: decodeEntries(body, bounds, header.firstId), damagedAt: undefined }
  } catch (error) {
    if (error instanceof UnreadableEntry) return { entries: [], damagedAt: undefined, unreadableAt: error.at }
    throw error
  }
}

/** Where the entry at this place ends, or undefined if it is damaged. */
function entryEnd(body: Buffer, at: number, seed: number): number | undefined {
  if (body.length - at < ENTRY_HEADER_BYTES) return undefined
  const end = at + 8 + body.readUInt32LE(at + 4)
  if (end > body.length || end < paramsOf(body, at)) return undefined
  return entryCrc(body, at + 4, end, seed) === body.readUInt32LE(at) ? end : undefined
}

/** Where the params of the entry at this place begin: behind its head and its method. */
function paramsOf(body: Buffer, at: number): number {
  return at + ENTRY_HEADER_BYTES + (body[at + 16] ?? 0)
}

function decodeEntries(body: Buffer, bounds: readonly number[], firstId: bigint): LogEntry[] {
  const entries: LogEntry[] = []
  const count = bounds.length - 1
  let id = firstId
  for (let first = 0; first < count;) {
    const last = groupEnd(bounds, first)
    const params = parseTogether(body, bounds, first, last) ?? parseEach(body, bounds, first, last)
    for (let i = first; i < last; i++) {
      const at = bounds[i]
      entries.push({ id, time: body.readDoubleLE(at + 8), method: methodOf(body, at), params: params[i - first] })
      id += 1n
    }
    first = last
  }
  return entries
}

/** The entry behind those from `first` on that are parsed at once: at least one is. */
function groupEnd(bounds: readonly number[], first: number): number {
  const count = bounds.length - 1
  let last = first + 1
  while (last < count && bounds[last + 1] - bounds[first] <= TOGETHER_BYTES_MAX) last++
  return last
}

const COMMA = 44
const LINE_FEED = 10
const BRACKET_OPEN = 91
const BRACKET_CLOSE = 93

/** What is parsed by one call: little enough for the processor's caches and for the heap of young objects. */
const TOGETHER_BYTES_MAX = 32 * 1024
/** The entries become JSON in it, some after the others. */
const scratch = Buffer.allocUnsafeSlow(TOGETHER_BYTES_MAX + 1)

/**
 * The params of the entries from `first` to before `last` by one call, which takes less time than one call for each: what
 * stands between them is overwritten, so that they become a JSON array. The checksums have said that each entry holds
 * what its writer wrote, one JSON text. Undefined where that cannot be so, or is not worth it: each is looked at alone.
 */
function parseTogether(
  body: Buffer,
  bounds: readonly number[],
  first: number,
  last: number,
): readonly JsonValue[] | undefined {
  const start = bounds[first]
  const length = bounds[last] - start
  if (last - first === 1 || length > TOGETHER_BYTES_MAX) return undefined
  body.copy(scratch, 0, start, start + length)
  for (let i = first; i < last; i++) {
    const at = bounds[i] - start
    const params = paramsOf(body, bounds[i]) - start
    scratch[at] = i === first ? BRACKET_OPEN : COMMA
    // White space between values, an error within a text: no text reaches from one entry into the next.
    for (let gap = at + 1; gap < params; gap++) scratch[gap] = LINE_FEED
  }
  scratch[length] = BRACKET_CLOSE
  try {
    const values = JSON.parse(textOf(scratch.subarray(0, length + 1))) as readonly JsonValue[]
    return values.length === last - first ? values : undefined
  } catch {
    return undefined
  }
}

function parseEach(body: Buffer, bounds: readonly number[], first: number, last: number): JsonValue[] {
  const values: JsonValue[] = []
  for (let i = first; i < last; i++) {
    const text = body.toString('utf8', paramsOf(body, bounds[i]), bounds[i + 1])
    try {
      values.push(JSON.parse(text) as JsonValue)
    } catch {
      throw new UnreadableEntry(bounds[i])
    }
  }
  return values
}

function textOf(bytes: Buffer): string {
  return bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8')
}

/** Methods met so far, by a hash of their bytes: a program has few, and millions of entries. */
const methods: (string | undefined)[] = new Array<string | undefined>(256).fill(undefined)

function methodOf(body: Buffer, at: number): string {
  const start = at + ENTRY_HEADER_BYTES
  const length = body[at + 16]
  const place = (length * 31 + body[start] * 7 + body[start + length - 1]) & 255
  const known = methods[place]
  if (known !== undefined && known.length === length && isAt(body, start, known)) return known
  const method = body.toString('utf8', start, start + length)
  // A key of an object is a string that the engine's own literals are compared with by address.
  return (methods[place] = Object.keys({ [method]: 0 })[0])
}

/** Whether the bytes there are this text, which only one of ASCII can be. */
function isAt(body: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127 || code !== body[start + i]) return false
  }
  return true
}

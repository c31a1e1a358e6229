import { isUtf8 } from 'node:buffer'
import type { ServiceDefinition } from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'

/*
 * The decoder behind grpc-js is lenient: a text that is cut short is taken as it is, and a value of another wire type is
 * read as if it were the one expected. What moves money must not be guessed, so every request is walked through before.
 */

const VARINT = 0
const FIXED64 = 1
const TEXT = 2
const FIXED32 = 5
const VARINT_BYTES_MAX = 10

interface Field {
  readonly number: number
  readonly type: string
}

/** The same service, whose requests must be well formed. Others are answered with INTERNAL, as grpc-js does. */
export function strictService(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service as Record<string, MethodDefinition<object, object>>)
  return Object.fromEntries(methods.map(([name, method]) => [name, strictMethod(method)]))
}

function strictMethod(method: MethodDefinition<object, object>): MethodDefinition<object, object> {
  const { field } = method.requestType.type as { field: readonly Field[] }
  const types = new Map(field.map(({ number, type }) => [number, wireType(type)]))
  const requestDeserialize = (bytes: Buffer): object => {
    checkMessage(bytes, types)
    return method.requestDeserialize(bytes)
  }
  return { ...method, requestDeserialize }
}

/** Requests hold texts and whole numbers, nothing else. */
function wireType(type: string): number {
  if (type === 'TYPE_STRING') return TEXT
  if (['TYPE_UINT32', 'TYPE_UINT64', 'TYPE_INT32', 'TYPE_BOOL', 'TYPE_ENUM'].includes(type)) return VARINT
  throw new Error(`requests have no fields of ${type}: teach server/strict.ts what they look like`)
}

/** Throws a RangeError unless the bytes are fields from the first to the last, those that are known of their type. */
function checkMessage(bytes: Buffer, types: ReadonlyMap<number, number>): void {
  for (let at = 0; at < bytes.length;) {
    const tagEnd = skipVarint(bytes, at)
    const tag = readSmall(bytes, at, tagEnd)
    const type = tag & 7
    const expected = types.get(tag >>> 3)
    if (tag >>> 3 === 0 || (expected !== undefined && expected !== type)) throw malformed()
    at = skipValue(bytes, tagEnd, type, expected === TEXT)
    if (at > bytes.length) throw malformed()
  }
}

function skipValue(bytes: Buffer, at: number, type: number, text: boolean): number {
  if (type === VARINT) return skipVarint(bytes, at)
  if (type === FIXED64) return at + 8
  if (type === FIXED32) return at + 4
  if (type !== TEXT) throw malformed() // Groups are not of this version of the language.
  const start = skipVarint(bytes, at)
  const end = start + readSmall(bytes, at, start)
  if (text && !isUtf8(bytes.subarray(start, end))) throw malformed()
  return end
}

function skipVarint(bytes: Buffer, at: number): number {
  for (let end = at; end < bytes.length && end < at + VARINT_BYTES_MAX; end++) {
    if ((bytes[end] & 0x80) === 0) return end + 1
  }
  throw malformed()
}

/** A tag or a length: 32 bits at most. */
function readSmall(bytes: Buffer, at: number, end: number): number {
  let value = 0
  for (let i = end - 1; i >= at; i--) value = value * 128 + (bytes[i] & 0x7f)
  if (value >= 2 ** 32) throw malformed()
  return value
}

function malformed(): RangeError {
  return new RangeError('malformed request')
}

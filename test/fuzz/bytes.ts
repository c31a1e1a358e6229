import type { Random } from '../../examples/exchange/random'

/**
 * What may happen to bytes, as data, so that a case is a line of text: it can be kept, made smaller and run again. Places
 * are taken modulo what there is, hence every step can be done whatever came before it.
 */
export type ByteStep =
  | readonly ['flip', at: number, mask: number]
  | readonly ['set', at: number, hex: string]
  | readonly ['put', at: number, hex: string]
  | readonly ['cut', at: number, length: number]
  | readonly ['end', at: number]
  | readonly ['copy', from: number, length: number, to: number]
  /** Four bytes as a little-endian number, where a length may stand. */
  | readonly ['u32', at: number, value: number]

export function changeBytes(bytes: Buffer, step: ByteStep): Buffer {
  const length = bytes.length + 1
  const [kind] = step
  if (kind === 'copy') return insert(bytes, step[3] % length, bytes.subarray(step[1] % length).subarray(0, step[2]))
  const at = step[1] % length
  if (kind === 'end') return bytes.subarray(0, at)
  if (kind === 'cut') return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + step[2])])
  if (kind === 'put') return insert(bytes, at, Buffer.from(step[2], 'hex'))
  if (kind === 'set') return overwrite(bytes, at, Buffer.from(step[2], 'hex'))
  if (kind === 'flip') return overwrite(bytes, at, Buffer.from([(bytes[at] ?? 0) ^ step[2]]))
  const number = Buffer.alloc(4)
  number.writeUInt32LE(step[2] >>> 0)
  return overwrite(bytes, at, number)
}

function insert(bytes: Buffer, at: number, piece: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
}

/** What would stand behind the end is left out. */
function overwrite(bytes: Buffer, at: number, piece: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  piece.copy(copy, at)
  return copy
}

/** Numbers at which readers change their mind: limits of the formats and of 32 bits, and one beside each. */
const EDGES = [0, 1, 20, 255, 256, 65_535, 2 ** 18, 2 ** 20, 2 ** 24, 2 ** 26, 2 ** 26 + 272, 2 ** 31, 2 ** 32]
export const NUMBERS: readonly number[] = EDGES.flatMap((edge) => [edge - 1, edge, edge + 1]).filter(
  (value) => value >= 0 && value < 2 ** 32,
)

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)]
}

export function drawByteStep(random: Random, length: number): ByteStep {
  const at = random.below(length + 1)
  switch (random.below(9)) {
    case 0:
      return ['set', at, drawHex(random)]
    case 1:
      return ['put', at, drawHex(random)]
    case 2:
      return ['cut', at, 1 + random.below(pick(random, [1, 8, 64, length]))]
    case 3:
      return ['end', at]
    case 4:
      return ['copy', at, 1 + random.below(pick(random, [4, 64, length])), random.below(length + 1)]
    case 5:
      return ['u32', at, pick(random, NUMBERS)]
    default:
      return ['flip', at, random.between(1, 255)]
  }
}

function drawHex(random: Random): string {
  const bytes = Buffer.alloc(1 + random.below(pick(random, [1, 4, 40])))
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256)
  return bytes.toString('hex')
}

import type { Random } from '../../examples/exchange/random'
import { isForksnapError } from '../../src/errors'
import { readHeader, readTrailer, SliceParser } from '../../src/slice/reader'
import { timestampToMs } from '../../src/slice/time'
import type { Column, ReadValue, RowFields, SliceTrailer } from '../../src/slice/types'
import { damageSlice, drawSlice, type SliceStep, soundSlice } from './slice-case'
import { buffersTakenBy, type Case, hold, outcomeOf, type Target } from './target'

const CODES = ['ERR_SLICE_CORRUPT', 'ERR_SLICE_VERSION', 'ERR_UNSUPPORTED_PLATFORM']
/** gzip makes at most a thousand bytes out of one; besides, two copies, and what the runtime takes for itself. */
const buffersMax = (bytes: number): number => 1100 * bytes + (1 << 20)

interface Reading {
  /** Rows and blobs as text, which is quick to compare. */
  readonly got: string[]
  readonly trailer: SliceTrailer | undefined
  readonly outcome: string
}

/**
 * The reader of slices. What holds whatever the bytes are:
 *
 * - it ends with a trailer or with an error of these codes, and takes no more memory than the bytes can account for;
 * - however the bytes are cut into chunks, and whether rows are asked for as values or as fields, the same comes of it;
 * - header and trailer read from the ends are those of the whole, where the whole can be read;
 * - of a stream that was damaged after it was sealed, only what was in it is delivered, and never without an error.
 */
export const sliceTarget: Target<SliceStep> = {
  name: 'slice',
  draw: (random: Random): Case<SliceStep> => drawSlice(random),
  async run(input: Case<SliceStep>): Promise<string> {
    const sound = soundSlice(input)
    const bytes = damageSlice(sound, input)
    const { result, bytes: taken } = await buffersTakenBy(() => readValues(bytes, [bytes.length]))
    hold(taken <= buffersMax(bytes.length), `${taken} bytes of buffers were taken for ${bytes.length} bytes`)
    agree(result, readValues(bytes, [1, 7, 300]), 'in small chunks')
    agree(result, readFields(bytes), 'as fields')
    await checkEnds(bytes, result)
    if (!bytes.equals(sound)) checkDamage(result, readValues(sound, [sound.length]))
    return result.outcome
  },
}

function checkDamage(damaged: Reading, sound: Reading): void {
  hold(damaged.trailer === undefined, 'a damaged slice was accepted')
  const strange = damaged.got.findIndex((line, i) => line !== sound.got[i])
  hold(strange === -1, `what was delivered was never written: ${damaged.got[strange]}`)
}

function agree(one: Reading, other: Reading, how: string): void {
  hold(one.outcome.split(' ')[0] === other.outcome.split(' ')[0], `${one.outcome}; but ${how}: ${other.outcome}`)
  const at = one.got.findIndex((line, i) => line !== other.got[i])
  hold(at === -1 && one.got.length === other.got.length, `${one.got[at]}; but ${how}: ${other.got[at]}`)
  hold(JSON.stringify(one.trailer) === JSON.stringify(other.trailer), `there is another trailer ${how}`)
}

function readValues(bytes: Buffer, chunks: readonly number[]): Reading {
  const got: string[] = []
  const blob = (name: string, data: Uint8Array): void => void got.push(`${name} ${Buffer.from(data).toString('hex')}`)
  const row = (table: string, values: ReadValue[]): void => void got.push(`${table} ${values.map(show).join('|')}`)
  return finish(new SliceParser({ row, blob }), bytes, chunks, got)
}

function readFields(bytes: Buffer): Reading {
  const got: string[] = []
  const blob = (name: string, data: Uint8Array): void => void got.push(`${name} ${Buffer.from(data).toString('hex')}`)
  const fields = (table: string, columns: readonly Column[]) => (row: RowFields) => {
    const values = columns.map((_, i) => row.value(i))
    columns.forEach(([, type], i) => checkGetters(row, i, type, values[i]))
    got.push(`${table} ${values.map(show).join('|')}`)
  }
  return finish(new SliceParser({ fields, blob }), bytes, [bytes.length], got)
}

function finish(parser: SliceParser, bytes: Buffer, chunks: readonly number[], got: string[]): Reading {
  try {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      // The chunk is overwritten afterwards, as a reader would that reuses one buffer.
      const chunk = Buffer.from(bytes.subarray(at, at + (chunks[i % chunks.length] ?? 1)))
      parser.push(chunk)
      chunk.fill(0xff)
      at += chunk.length
    }
    return { got, trailer: parser.end(), outcome: 'read' }
  } catch (error) {
    return { got, trailer: undefined, outcome: outcomeOf(error, CODES) }
  }
}

function show(value: ReadValue | undefined): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value === 'bigint') return `${value}n`
  return Object.is(value, -0) ? '-0' : typeof value === 'number' ? String(value) : JSON.stringify(value)
}

/** The quick getters must give what follows from the value, or refuse. */
function checkGetters(row: RowFields, column: number, type: string, value: ReadValue): void {
  const [base] = type.split('(')
  // JSON has a null of its own, which is a value of the column.
  const ownNull = base === 'json' || base === 'jsonb'
  hold(row.isNull(column) ? value === null : value !== null || ownNull, 'isNull() does not fit the value')
  if (base === 'int2' || base === 'int4' || base === 'int8') {
    same(
      orRefused(() => row.integer(column)),
      safe(value === null ? NaN : Number(value)),
      'integer()',
    )
  } else if (base === 'numeric') {
    for (const digits of [0, 2, 22]) {
      same(
        orRefused(() => row.units(column, digits)),
        unitsOf(value, digits),
        `units(${digits}) of ${show(value)}`,
      )
    }
  } else if (base === 'timestamp' || base === 'timestamptz' || base === 'date') {
    const ms = value === null || /\.\d{3}0*[1-9]/.test(value as string) ? undefined : timestampToMs(value as string)
    same(
      orRefused(() => row.ms(column)),
      ms,
      `ms() of ${show(value)}`,
    )
  } else if (base === 'bool')
    same(
      orRefused(() => row.bool(column)),
      value ?? undefined,
      'bool()',
    )
  else if (base === 'text' || base === 'varchar' || base === 'uuid') {
    same(
      orRefused(() => row.text(column)),
      value ?? undefined,
      'text()',
    )
  }
}

function same(got: unknown, expected: unknown, what: string): void {
  hold(Object.is(got, expected), `${what} gives ${String(got)} instead of ${String(expected)}`)
}

function orRefused<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (isForksnapError(error, 'ERR_INVALID_VALUE')) return undefined
    throw error
  }
}

function safe(number: number): number | undefined {
  return Number.isSafeInteger(number) ? number : undefined
}

/** By way of bigints, which round nothing. */
function unitsOf(value: ReadValue, digits: number): number | undefined {
  if (typeof value !== 'string') return undefined
  const [, sign = '', whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(value) ?? []
  if (whole === undefined || BigInt(fraction.slice(digits) || 0) !== 0n) return undefined
  return safe(Number(BigInt(sign + whole + fraction.slice(0, digits).padEnd(digits, '0'))))
}

async function checkEnds(bytes: Buffer, whole: Reading): Promise<void> {
  const readAt = (at: number, length: number): Promise<Buffer> => Promise.resolve(bytes.subarray(at, at + length))
  const ends = { header: readHeader(readAt, bytes.length), trailer: readTrailer(readAt, bytes.length) }
  for (const [name, end] of Object.entries(ends)) {
    const outcome = await end.then(
      () => 'read',
      (error: unknown) => outcomeOf(error, CODES),
    )
    hold(whole.trailer === undefined || outcome === 'read', `the whole is read, but its ${name}: ${outcome}`)
  }
  if (whole.trailer === undefined) return
  hold(JSON.stringify(await ends.trailer) === JSON.stringify(whole.trailer), 'the trailer from the end is another one')
}

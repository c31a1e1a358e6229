import { parseArgs } from 'node:util'
import { METHODS, methodOf } from './methods'
import type { CompareOptions } from './run'

const SIZES = '10k,100k,1M'
const FULL_SIZES = `${SIZES},10M`
const ROUNDS = 5
const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6 }

/** `10k,100k,1M` as numbers, ascending. Throws for anything else than whole numbers from 1 with k or M behind them. */
export function parseSizes(text: string): number[] {
  const sizes = text.split(',').map((part) => {
    const [, digits, unit = ''] = /^(\d+)([kKmM]?)$/.exec(part.trim()) ?? []
    const size = Number(digits) * (FACTORS[unit.toLowerCase()] ?? NaN)
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new RangeError(`--sizes takes numbers of records such as ${SIZES}, not "${part}"`)
    }
    return size
  })
  return [...new Set(sizes)].sort((a, b) => a - b)
}

export const COMPARE_ARGUMENTS = {
  sizes: { type: 'string' },
  full: { type: 'boolean' },
  rounds: { type: 'string' },
  methods: { type: 'string' },
} as const

export interface CompareArguments {
  readonly sizes?: string | undefined
  readonly full?: boolean | undefined
  readonly rounds?: string | undefined
  readonly methods?: string | undefined
}

/** Throws `RangeError` for a value out of range and for an unknown method. */
export function compareOptions({ sizes, full, rounds = String(ROUNDS), methods }: CompareArguments): CompareOptions {
  const count = Number(rounds)
  if (!Number.isSafeInteger(count) || count < 1) throw new RangeError('--rounds must be a whole number from 1')
  const ids = methods?.split(',') ?? METHODS.map(({ id }) => id)
  ids.forEach(methodOf)
  return { sizes: parseSizes(sizes ?? (full === true ? FULL_SIZES : SIZES)), rounds: count, methods: ids }
}

export function readCompareArguments(): CompareOptions & { readonly json: boolean } {
  const { values } = parseArgs({ options: { ...COMPARE_ARGUMENTS, json: { type: 'boolean', default: false } } })
  return { ...compareOptions(values), json: values.json }
}

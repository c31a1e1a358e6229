import type { Command } from 'commander'
import { isForksnapError } from '../errors'
import { SliceParser } from '../slice/reader'
import type { SliceHeader, SliceTrailer } from '../slice/types'
import type { SliceInfo } from '../store/store'
import { parseId, WHERE, withJson, withStoreOptions } from './arguments'
import { PROBLEM } from './exit-codes'
import { messageOf } from './failure'
import { cell, count, note, printJson, printTable, size } from './output'
import { Problem } from './problem'
import { progressBar } from './progress'
import { placeOf } from './place'
import { checkNames, type Slices, slicesOf, type StoreNames } from './slices'
import { standardInput } from './standard-input'

const HELP = `
Reads every slice in full and checks every checksum. In a database, where the stream's checksum is not kept, it is looked
whether all rows and bytes are there and can be read. Nothing is changed, and a running owner is not disturbed. There is a
progress bar if standard error is a terminal.

The exit code is 1 if a slice is damaged, and also if there is none: a backup that is not there is not a good one.

Examples:
  $ forksnap verify ./data/slices
  $ forksnap verify ./data/slices --slice 17
  $ forksnap verify /backup/e0000000000000000001-p0000000000000000042-i0000000000000000007.slice
  $ forksnap verify postgres://app@db/exchange --json
  $ zstd -dc slice.zst | forksnap verify -
`

interface Options extends StoreNames {
  readonly slice?: bigint
  readonly json?: true
  readonly progress: boolean
}

interface Verified {
  readonly info: SliceInfo
  readonly trailer?: SliceTrailer
  readonly error?: unknown
}

export function addVerify(command: Command): void {
  command.argument('<where>', WHERE)
  withJson(withStoreOptions(command))
    .option('--slice <id>', 'only this one', parseId)
    .option('--no-progress', 'no progress bar, on a terminal either')
    .addHelpText('after', HELP)
    .action(verify)
}

async function verify(where: string, options: Options): Promise<void> {
  const place = await placeOf(where)
  const verified = place.kind === 'stdin' ? [await verifyStandardInput(options)] : await verifyAll(where, options)
  const bad = verified.filter(({ error }) => error !== undefined)
  if (bad.length > 0) process.exitCode = PROBLEM
  if (options.json) return printJson({ place: place.shown, ok: bad.length === 0, slices: verified.map(asJson) })
  printTable(['ID', 'ROWS', 'SIZE', 'CHECKSUM', 'RESULT'], verified.map(row))
  for (const { info, error } of bad) note(`slice ${info.sliceId}: ${messageOf(error)}`)
}

async function verifyAll(where: string, options: Options): Promise<Verified[]> {
  const slices = await slicesOf(where, options)
  const infos = (await slices.list()).filter(({ sliceId }) => options.slice === undefined || options.slice === sliceId)
  if (infos.length === 0) throw noSlice(options.slice, slices.place.shown)
  const verified: Verified[] = []
  for (const info of infos) {
    const one = await verifyOne(slices, info, options)
    if (one !== undefined) verified.push(one)
  }
  return verified
}

function noSlice(sliceId: bigint | undefined, shown: string): Problem {
  return new Problem(`There is no slice${sliceId === undefined ? '' : ` ${sliceId}`} in ${shown}`)
}

/** Undefined if the slice was removed meanwhile. */
async function verifyOne(slices: Slices, info: SliceInfo, options: Options): Promise<Verified | undefined> {
  const bar = progressBar(`slice ${info.sliceId}`, options.progress)
  try {
    const source = await slices.open(info.sliceId)
    const trailer = await source.read({ progress: bar.at }).finally(() => source.close())
    return { info: source.info, trailer }
  } catch (error) {
    if (isForksnapError(error, 'ERR_SLICE_NOT_FOUND')) return undefined
    if (!isForksnapError(error) || error.code === 'ERR_STORE_FAILED') throw error
    return { info, error }
  } finally {
    bar.end()
  }
}

/** As it arrives: unlike the other commands this one does not have to know the end of the slice first. */
async function verifyStandardInput(options: Options): Promise<Verified> {
  checkNames(options)
  const input = standardInput()
  const bar = progressBar('standard input', options.progress)
  let bytes = 0
  let header: SliceHeader | undefined
  const parser = new SliceParser({ header: (found) => void (header = found) })
  const infoOf = (rows: number): SliceInfo => {
    const { sliceId = 0n, meta = {} } = header ?? {}
    const known = { sliceId, epoch: 0n, position: meta.position ?? 0n, rows, bytes, meta }
    return { ...known, createdAt: new Date(), location: '-' }
  }
  try {
    for await (const chunk of input) {
      bytes += chunk.length
      parser.push(chunk)
      bar.at(bytes, 0)
    }
    const trailer = parser.end()
    const info = infoOf(trailer.rows)
    if (options.slice !== undefined && options.slice !== info.sliceId) throw noSlice(options.slice, 'standard input')
    return { info, trailer }
  } catch (error) {
    if (!isForksnapError(error)) throw error
    return { info: infoOf(0), error }
  } finally {
    bar.end()
  }
}

function asJson({ info, trailer, error }: Verified) {
  const { sliceId, bytes, location } = info
  const result = trailer === undefined ? { error: messageOf(error), ...where(error) } : { checksum: trailer.checksum }
  return { sliceId, ok: error === undefined, rows: trailer?.rows ?? null, bytes, location, ...result }
}

/** Where the damage is, for programs. */
function where(error: unknown) {
  if (!isForksnapError(error)) return {}
  return { code: error.code, ...(error.offset === undefined ? {} : { offset: error.offset }) }
}

function row({ info, trailer, error }: Verified) {
  const result = error === undefined ? cell('ok', 'green') : cell(stateOf(error), 'red')
  const rows = trailer === undefined ? { ...cell('-'), right: true } : count(trailer.rows)
  return [
    { ...cell(String(info.sliceId)), right: true },
    rows,
    size(info.bytes),
    cell(trailer?.checksum ?? '-'),
    result,
  ]
}

function stateOf(error: unknown): string {
  return isForksnapError(error, 'ERR_SLICE_CORRUPT') ? 'damaged' : 'unreadable'
}

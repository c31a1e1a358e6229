import type { Command } from 'commander'
import type { SliceInfo, SliceSource } from '../store/store'
import { parseId, withJson, withStoreOptions } from './arguments'
import { UsageError } from './command'
import { cell, count, note, printJson, printPairs, size } from './output'
import { placeOf } from './place'
import { Problem } from './problem'
import { progressBar } from './progress'
import { isPostgresUrl } from './secrets'
import { locationOf, openOne, slicesOf, type StoreNames } from './slices'

const HELP = `
Reads the slice in full and checks it, then copies it into the database as the store of that name does: all tables in one
transaction, tables that are missing are created, slice_history and the catalogue get their rows. The slice gets a new id and
becomes the newest one there, so that a server that starts on that store recovers from it. Nothing is removed.

It takes the store's lock, so no server may be running on it; the position in the log stays the slice's.

Examples:
  $ forksnap load ./data/slices postgres://app@db/exchange
  $ forksnap load ./backup.slice postgres://app@db/exchange --schema exchange --map orders=archive.orders
  $ zstd -dc slice.zst | forksnap load - postgres://app@db/exchange
`

interface Options extends StoreNames {
  readonly slice?: bigint
  readonly map: Readonly<Record<string, string>>
  readonly json?: true
  readonly progress: boolean
}

export function addLoad(command: Command): void {
  command
    .argument('<from>', 'a directory of slices, the file of one, or - for a slice at standard input')
    .argument('<url>', 'a postgres:// URL; give the password by PGPASSWORD or ~/.pgpass')
  withJson(withStoreOptions(command))
    .option('--slice <id>', 'this one (default: the newest)', parseId)
    .option('--map <table=target>', 'where a table of the slice goes; may be given several times', collectMap, {})
    .option('--no-progress', 'no progress bar, on a terminal either')
    .addHelpText('after', HELP)
    .action(load)
}

function collectMap(text: string, map: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const at = text.lastIndexOf('=')
  if (at < 1 || at === text.length - 1) throw new UsageError(`--map ${text} has not the form TABLE=TARGET`)
  return { ...map, [text.slice(0, at)]: text.slice(at + 1) }
}

async function load(from: string, url: string, options: Options): Promise<void> {
  // Asked of the text: a name that is mistaken for it need not exist.
  if (!isPostgresUrl(url)) throw new UsageError(`${JSON.stringify(url)} is no postgres:// URL`)
  const to = await placeOf(url)
  const slices = await slicesOf(from, {})
  if (slices.place.kind === 'postgres') throw new UsageError('give a file or a directory of slices to load from')
  const source = await openOne(slices, options.slice)
  try {
    await checkAll(source, options)
    const info = await copyInto(source, url, options)
    if (options.json)
      printJson({ from: locationOf(slices, source.info), to: to.shown, sliceId: info.sliceId, ...amounts(info) })
    else show(source, info, to.shown)
  } finally {
    await source.close()
  }
}

/** Before anything is asked of the database: a start there fences who was there before. */
async function checkAll(source: SliceSource, options: Options): Promise<void> {
  const bar = progressBar('verifying', options.progress)
  const { tables } = await source.read({ progress: bar.at }).finally(() => bar.end())
  const stray = Object.keys(options.map).find((name) => !tables.some((table) => table.name === name))
  if (stray !== undefined)
    throw new Problem(`Slice ${source.info.sliceId} has no table ${JSON.stringify(stray)} to map`)
}

async function copyInto(source: SliceSource, url: string, options: Options): Promise<SliceInfo> {
  const [{ loadSlice }, { storeOptions }] = await Promise.all([import('./load-slice.js'), import('./database.js')])
  const bar = progressBar('loading', options.progress)
  const store = { ...storeOptions(url, options), tables: options.map }
  return loadSlice(source, store, bar.at).finally(() => bar.end())
}

function amounts({ epoch, position, rows, bytes }: SliceInfo) {
  return { epoch, position, rows, bytes }
}

function show(source: SliceSource, info: SliceInfo, shown: string): void {
  note(`Slice ${source.info.sliceId} is now slice ${info.sliceId} in ${shown}.`)
  printPairs([
    ['slice', cell(String(info.sliceId))],
    ['epoch', cell(String(info.epoch))],
    ['position', cell(String(info.position))],
    ['rows', count(info.rows)],
    ['size', size(info.bytes)],
  ])
}

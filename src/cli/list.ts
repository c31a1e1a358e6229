import type { Command } from 'commander'
import { WHERE, withJson, withStoreOptions } from './arguments'
import { PROBLEM } from './exit-codes'
import { messageOf } from './failure'
import { cell, count, note, printJson, printTable, size, terminal, time } from './output'
import {
  type ListedSlice,
  listSlices,
  locationOf,
  type Slices,
  slicesOf,
  type SliceState,
  type StoreNames,
} from './slices'

const HELP = `
STATE is "readable" if the beginning and the end of a slice are sound ("forksnap verify" reads all of it), "void" if a reset
has ended its epoch, so that it is never recovered from, "damaged", or "unreadable": another version's, or unsafe.

Examples:
  $ forksnap list ./data/slices
  $ forksnap list postgres://app@db/exchange --schema exchange
  $ forksnap list ./data/slices --json | jq -r '.slices[0].location'
`

export function addList(command: Command): void {
  command.argument('<where>', WHERE)
  withJson(withStoreOptions(command)).addHelpText('after', HELP).action(list)
}

async function list(where: string, options: StoreNames & { readonly json?: true }): Promise<void> {
  const slices = await slicesOf(where, options)
  const listed = await listSlices(slices)
  const bad = listed.filter(({ error }) => error !== undefined)
  if (bad.length > 0) process.exitCode = PROBLEM
  if (options.json) return printJson({ place: slices.place.shown, slices: listed.map((one) => asJson(slices, one)) })
  if (listed.length > 0 || !terminal)
    printTable(['ID', 'EPOCH', 'POSITION', 'ROWS', 'SIZE', 'TIME', 'STATE'], listed.map(row))
  if (listed.length === 0) note(`There is no slice in ${slices.place.shown}.`)
  for (const { info, error } of bad) note(`slice ${info.sliceId}: ${messageOf(error)}`)
}

function asJson(slices: Slices, { info, state, error }: ListedSlice) {
  const { sliceId, epoch, position, rows, bytes, createdAt } = info
  const problem = error === undefined ? {} : { error: messageOf(error) }
  return { sliceId, epoch, position, rows, bytes, createdAt, location: locationOf(slices, info), state, ...problem }
}

const COLOURS = { readable: 'green', void: 'dim', damaged: 'red', unreadable: 'yellow' } as const satisfies Record<
  SliceState,
  string
>

function row({ info, state }: ListedSlice) {
  const { sliceId, epoch, position, rows, bytes, createdAt } = info
  // Ids are names, not amounts: no separators in them.
  const ids = [sliceId, epoch, position].map((id) => ({ ...cell(String(id)), right: true }))
  return [...ids, count(rows), size(bytes), time(createdAt), cell(state, COLOURS[state])]
}

import type { Command } from 'commander'
import { encodeMeta } from '../slice/json'
import type { Column } from '../slice/types'
import type { SliceSource } from '../store/store'
import { parseId, WHERE, withJson, withStoreOptions } from './arguments'
import { cell, count, print, printable, printJson, printPairs, printTable, size, terminal, time } from './output'
import type { Section } from './sections'
import { locationOf, openOne, slicesOf, type StoreNames } from './slices'

const HELP = `
Reads only what describes a slice, so it is quick however large the slice is; "forksnap verify" reads all of it. STORED is what
a table takes in the file, RAW what it is once decompressed.

Examples:
  $ forksnap inspect ./data/slices
  $ forksnap inspect ./data/slices --slice 17
  $ zstd -dc slice.zst | forksnap inspect -
  $ forksnap inspect postgres://app@db/exchange --json | jq .values.digest
`

export function addInspect(command: Command): void {
  command.argument('<where>', WHERE)
  withJson(withStoreOptions(command))
    .option('--slice <id>', 'this one (default: the newest)', parseId)
    .addHelpText('after', HELP)
    .action(inspect)
}

type Options = StoreNames & { readonly slice?: bigint; readonly json?: true }

async function inspect(where: string, options: Options): Promise<void> {
  const slices = await slicesOf(where, options)
  const source = await openOne(slices, options.slice)
  try {
    const sections = await slices.sections(source)
    const location = locationOf(slices, source.info)
    if (options.json) printJson(asJson(source, sections, location))
    else show(source, sections, location)
  } finally {
    await source.close()
  }
}

function asJson({ info, header, trailer }: SliceSource, sections: readonly Section[], location: string) {
  const { sliceId, epoch, position, rows, bytes, createdAt } = info
  const { formatVersion, codec, meta } = header
  const described = sections.map((section) => ({ ...section, ...amountOf(section, trailer) }))
  const tables = described.filter(({ kind }) => kind === 'table')
  const blobs = described.filter(({ kind }) => kind === 'blob')
  return {
    ...{ sliceId, epoch, position, rows, bytes, createdAt, location, formatVersion, codec },
    ...{ checksum: trailer.checksum, meta: encodeMeta(meta), values: trailer.values, tables, blobs },
  }
}

function amountOf({ kind, name }: Section, trailer: SliceSource['trailer']) {
  if (kind === 'table') return { rows: trailer.tables.find((table) => table.name === name)?.rows ?? 0 }
  return { bytes: trailer.blobs.find((blob) => blob.name === name)?.bytes ?? 0 }
}

function show({ info, header, trailer }: SliceSource, sections: readonly Section[], location: string): void {
  const { sliceId, epoch, position, rows, bytes, createdAt } = info
  printPairs([
    ['slice', cell(String(sliceId))],
    ['epoch', epoch === 0n ? cell('unknown') : cell(String(epoch))],
    ['position', cell(String(position))],
    ['time', time(createdAt)],
    ['size', size(bytes)],
    ['rows', count(rows)],
    ['codec', cell(header.codec)],
    ['format version', cell(String(header.formatVersion))],
    ['checksum', cell(trailer.checksum)],
    ['location', cell(location)],
    ['meta', cell(JSON.stringify(encodeMeta(header.meta)))],
    ['values', cell(JSON.stringify(trailer.values))],
  ])
  const tables = sections.filter(({ kind }) => kind === 'table')
  if (tables.length > 0) {
    print('\n')
    printTable(
      ['TABLE', 'ROWS', 'STORED', 'RAW', 'COLUMNS'],
      tables.map((table) => tableRow(table, trailer)),
    )
  }
  const blobs = sections.filter(({ kind }) => kind === 'blob')
  if (blobs.length > 0) {
    print('\n')
    printTable(
      ['BLOB', 'BYTES', 'STORED'],
      blobs.map((blob) => blobRow(blob, trailer)),
    )
  }
}

const unknown = { ...cell('-'), right: true }
const sizeOf = (bytes: number | undefined) => (bytes === undefined ? unknown : size(bytes))

function tableRow(table: Section, trailer: SliceSource['trailer']) {
  const rows = trailer.tables.find(({ name }) => name === table.name)?.rows ?? 0
  const columns = cell((table.columns ?? []).map(columnText).join(', '), ...(terminal ? (['dim'] as const) : []))
  return [cell(table.name), count(rows), sizeOf(table.storedBytes), sizeOf(table.rawBytes), columns]
}

function blobRow(blob: Section, trailer: SliceSource['trailer']) {
  const bytes = trailer.blobs.find(({ name }) => name === blob.name)?.bytes ?? 0
  return [cell(blob.name), count(bytes), sizeOf(blob.storedBytes)]
}

function columnText([name, type, options]: Column): string {
  return `${printable(name)} ${type}${options?.as === 'number' ? ' as number' : ''}`
}

import { type Command, Option } from 'commander'
import { parseId, WHERE, withStoreOptions } from './arguments'
import { UsageError } from './command'
import { csvWriter } from './export-csv'
import { copyWriter } from './export-copy'
import { jsonWriter } from './export-json'
import { fileOutput, type Output, standardOutput } from './export-output'
import { note, printable } from './output'
import { Problem } from './problem'
import { progressBar } from './progress'
import { openOne, slicesOf, type StoreNames } from './slices'
import type { RawHandlers } from '../slice/reader'
import type { SliceSource } from '../store/store'

const HELP = `
Writes the rows of a slice, each only after its checksum was found right. Blobs are left out.
  csv    a line of column names, then the rows; NULL is an empty field, an empty text is ""
  jsonl  a JSON object for each row; int8 and numeric are text, so that no reader rounds them; without --table each line is
         {"table":...,"row":{...}}
  copy   a script for psql: COPY for each table, all in one transaction, so that a script that was cut short changes nothing

Examples:
  $ forksnap export ./data/slices --table orders > orders.csv
  $ forksnap export ./data/slices --format jsonl | jq -c 'select(.table == "orders") | .row'
  $ forksnap export ./data/slices --format copy --create | psql exchange
  $ forksnap export ./data/slices --slice 17 --table orders --output orders.csv
  $ zstd -dc slice.zst | forksnap export - --format copy | psql exchange
`

export interface ExportOptions extends StoreNames {
  readonly slice?: bigint
  readonly table?: string
  readonly format: 'csv' | 'jsonl' | 'copy'
  readonly create?: true
  readonly output?: string
  readonly force?: true
  readonly progress: boolean
}

export function addExport(command: Command): void {
  command.argument('<where>', WHERE)
  withStoreOptions(command)
    .option('--slice <id>', 'this one (default: the newest)', parseId)
    .option('--table <name>', 'only this table; csv holds one table')
    .addOption(new Option('--format <format>', 'of the text').choices(['csv', 'jsonl', 'copy']).default('csv'))
    .option('--create', 'copy: create the tables too')
    .option('--output <file>', 'write a file, readable for its owner only, in place of standard output')
    .option('--force', 'replace the file if it is there')
    .option('--no-progress', 'no progress bar, on a terminal either')
    .addHelpText('after', HELP)
    .action(exportSlice)
}

async function exportSlice(where: string, options: ExportOptions): Promise<void> {
  if (options.create && options.format !== 'copy') throw new UsageError('--create belongs to --format copy')
  if (options.force && options.output === undefined) throw new UsageError('--force belongs to --output')
  if (options.output === '') throw new UsageError('--output needs the name of a file')
  const slices = await slicesOf(where, options)
  const source = await openOne(slices, options.slice)
  try {
    const table = chosenTable(source, options)
    const output = options.output === undefined ? standardOutput() : fileOutput(options.output, options.force === true)
    const rows = await write(source, table, output, options)
    if (options.output !== undefined) note(`${rows} rows of slice ${source.info.sliceId} are in ${options.output}`)
  } finally {
    await source.close()
  }
}

/** The one table to write; undefined for all of them. */
function chosenTable({ info, trailer }: SliceSource, { table, format }: ExportOptions): string | undefined {
  const names = trailer.tables.map(({ name }) => name)
  const list = names.map((name) => JSON.stringify(name)).join(', ')
  if (names.length === 0) throw new Problem(`Slice ${info.sliceId} holds no table`)
  if (table === undefined) {
    if (format !== 'csv' || names.length === 1) return format === 'csv' ? names[0] : undefined
    throw new UsageError(`csv holds one table, and slice ${info.sliceId} has ${list}: choose one with --table`)
  }
  if (names.includes(table)) return table
  throw new Problem(`Slice ${info.sliceId} has no table ${JSON.stringify(printable(table))}; it has ${list}`)
}

async function write(
  source: SliceSource,
  table: string | undefined,
  output: Output,
  options: ExportOptions,
): Promise<number> {
  const bar = progressBar(`slice ${source.info.sliceId}`, options.progress && !process.stdout.isTTY)
  try {
    const make = { csv: csvWriter, jsonl: jsonWriter, copy: copyWriter }[options.format]
    const writer = make(output, source.info, { qualified: table === undefined, create: options.create === true })
    let rows = 0
    await source.read({
      ...only(table, writer.handlers, (count) => (rows += count)),
      progress: bar.at,
    } satisfies RawHandlers)
    writer.end()
    await output.finish()
    return rows
  } catch (error) {
    output.discard()
    throw error
  } finally {
    bar.end()
  }
}

/** The same handlers for one table; they see nothing of the others. */
function only(wanted: string | undefined, handlers: RawHandlers, counted: (rows: number) => void): RawHandlers {
  const takes = (name: string): boolean => wanted === undefined || name === wanted
  return {
    table: (name, columns) => takes(name) && handlers.table?.(name, columns),
    // Without a handler rows are not decoded.
    ...(handlers.row && { row: (name, values) => takes(name) && handlers.row?.(name, values) }),
    lines: (name, bytes) => takes(name) && handlers.lines?.(name, bytes),
    tableEnd: (name, rows) => {
      if (!takes(name)) return
      counted(rows)
      handlers.tableEnd?.(name, rows)
    },
  }
}

import { quoteIdentifier } from '../postgres/identifiers'
import type { Column } from '../slice/types'
import type { MakeWriter } from './export-writer'

/** A script for psql. The rows are the slice's own bytes: they are in COPY's text format already. */
export const copyWriter: MakeWriter = (output, { sliceId, epoch, position }, { create }) => {
  output.text(`-- forksnap: slice ${sliceId}, epoch ${epoch}, position ${position}\n`)
  output.text(`\\set ON_ERROR_STOP on\nBEGIN;\nSET LOCAL client_encoding = 'UTF8';\n`)
  output.text(`SET LOCAL datestyle = 'ISO, MDY';\nSET LOCAL timezone = 'UTC';\n`)
  return {
    handlers: {
      table(name, columns) {
        const table = quoteIdentifier(name)
        if (create) output.text(`CREATE TABLE ${table} (${columns.map(declared).join(', ')});\n`)
        const names = columns.map(([column]) => quoteIdentifier(column)).join(', ')
        output.text(`COPY ${table} (${names}) FROM stdin;\n`)
      },
      lines: (_name, lines) => output.bytes(lines),
      tableEnd: () => output.text('\\.\n'),
    },
    end: () => output.text('COMMIT;\n'),
  }
}

function declared([name, type]: Column): string {
  return `${quoteIdentifier(name)} ${type}`
}

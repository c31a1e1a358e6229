import type { Column, ReadValue } from '../slice/types'
import type { MakeWriter } from './export-writer'

/** CSV as PostgreSQL and RFC 4180 have it, with line feeds: NULL is an empty field, an empty text is quoted. */
export const csvWriter: MakeWriter = (output) => {
  let json: readonly boolean[] = []
  return {
    handlers: {
      table(_name, columns) {
        json = columns.map(isJson)
        output.text(`${columns.map(([name]) => quoted(name)).join(',')}\n`)
      },
      row(_name, values) {
        let line = ''
        for (let i = 0; i < values.length; i++) line += (i === 0 ? '' : ',') + field(values[i], json[i])
        output.text(`${line}\n`)
      },
    },
    end: () => undefined,
  }
}

function isJson([, type]: Column): boolean {
  return type === 'json' || type === 'jsonb'
}

function field(value: ReadValue, json: boolean): string {
  if (value === null) return ''
  if (typeof value === 'string' && !json) return quoted(value)
  if (value instanceof Uint8Array) return hex(value)
  if (json || typeof value === 'object') return quoted(JSON.stringify(value))
  return String(value)
}

/** As PostgreSQL shows a bytea. */
export function hex(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`
}

/** A line that is `\.` alone would end the data for an older COPY. */
function quoted(text: string): string {
  if (text !== '' && text !== '\\.' && !/[",\r\n]/.test(text)) return text
  return `"${text.replaceAll('"', '""')}"`
}

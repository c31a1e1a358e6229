import type { ReadValue } from '../slice/types'
import { hex } from './export-csv'
import type { MakeWriter } from './export-writer'

/** JSON Lines: an object for each row. What a JSON number could not hold exactly is text. */
export const jsonWriter: MakeWriter = (output, _info, { qualified }) => {
  let keys: readonly string[] = []
  let before = ''
  const after = qualified ? '}}\n' : '}\n'
  return {
    handlers: {
      table(name, columns) {
        keys = columns.map(([column], index) => `${index === 0 ? '' : ','}${JSON.stringify(column)}:`)
        before = qualified ? `{"table":${JSON.stringify(name)},"row":{` : '{'
      },
      row(_name, values) {
        let line = before
        for (let i = 0; i < values.length; i++) line += keys[i] + text(values[i])
        output.text(line + after)
      },
    },
    end: () => undefined,
  }
}

function text(value: ReadValue): string {
  if (typeof value === 'bigint') return `"${value}"`
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${value}"`
  // JSON.stringify would drop the sign.
  if (Object.is(value, -0)) return '-0'
  if (value instanceof Uint8Array) return JSON.stringify(hex(value))
  return JSON.stringify(value)
}

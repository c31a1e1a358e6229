import { type SliceTarget, fdTarget } from '../slice/target'

/**
 * What goes to standard output. On a terminal it is for people: aligned, with colours unless NO_COLOR is set. In a pipe it is
 * for programs: columns separated by tabs, plain numbers, times in ISO form, no colours.
 */
export const terminal = process.stdout.isTTY === true

const STDOUT_FD = 1
const target: SliceTarget = fdTarget(STDOUT_FD)

/** Writes all of it before it returns; throws EPIPE if nobody reads any more. */
export function print(text: string | Uint8Array): void {
  target.write(typeof text === 'string' ? Buffer.from(text) : text)
}

/** For people, beside the output: never part of what a program reads. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** One line of JSON in a pipe, indented on a terminal. Bigints become text, so that no reader rounds them. */
export function printJson(value: unknown): void {
  const plain = (_key: string, item: unknown): unknown => (typeof item === 'bigint' ? String(item) : item)
  print(`${JSON.stringify(value, plain, terminal ? 2 : undefined)}\n`)
}

const STYLES = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 } as const
export type Style = keyof typeof STYLES

function coloured(): boolean {
  const { NO_COLOR = '', TERM } = process.env
  return terminal && NO_COLOR === '' && TERM !== 'dumb'
}

export function style(text: string, ...styles: readonly Style[]): string {
  if (styles.length === 0 || text === '' || !coloured()) return text
  return `\x1b[${styles.map((name) => STYLES[name]).join(';')}m${text}\x1b[0m`
}

/** A value that a pipe gets as it is and a terminal in a form for people. */
export interface Cell {
  readonly plain: string
  readonly shown?: string
  readonly styles?: readonly Style[]
  /** Numbers: at the right edge of their column. */
  readonly right?: boolean
}

export const cell = (plain: string, ...styles: readonly Style[]): Cell => ({ plain, styles })
export const count = (value: number | bigint): Cell => ({ plain: String(value), shown: grouped(value), right: true })
export const size = (bytes: number): Cell => ({ plain: String(bytes), shown: bytesText(bytes), right: true })
export const time = (date: Date): Cell => ({
  plain: date.toISOString(),
  shown: date.toISOString().replace('T', ' ').slice(0, 19) + 'Z',
})

/** Control characters would move the cursor or end the line. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    return `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/** A table with a line of headings. */
export function printTable(headings: readonly string[], rows: readonly (readonly Cell[])[]): void {
  if (!terminal) {
    const lines = [headings, ...rows.map((row) => row.map(({ plain }) => printable(plain)))]
    return print(lines.map((line) => `${line.join('\t')}\n`).join(''))
  }
  const texts = rows.map((row) => row.map(({ plain, shown }) => printable(shown ?? plain)))
  const widths = headings.map((heading, column) => Math.max(heading.length, ...texts.map((row) => row[column].length)))
  const rights = headings.map((_, column) => rows[0]?.[column]?.right === true)
  const line = (cells: readonly string[], styled: (text: string, column: number) => string): string => {
    const padded = cells.map((text, column) => {
      const space = ' '.repeat(widths[column] - text.length)
      return rights[column] ? space + styled(text, column) : styled(text, column) + space
    })
    return `${padded.join('  ').trimEnd()}\n`
  }
  const body = texts.map((row, index) =>
    line(row, (text, column) => style(text, ...(rows[index][column].styles ?? []))),
  )
  print(line(headings, (text) => style(text, 'bold')) + body.join(''))
}

/** Pairs of a name and a value, one below the other. */
export function printPairs(pairs: readonly (readonly [name: string, value: Cell])[]): void {
  const width = Math.max(...pairs.map(([name]) => name.length))
  for (const [name, { plain, shown, styles = [] }] of pairs) {
    if (terminal) print(`${style(name.padEnd(width), 'bold')}  ${style(printable(shown ?? plain), ...styles)}\n`)
    else print(`${name}\t${printable(plain)}\n`)
  }
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  for (; Math.abs(value) >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`
}

/** As toLocaleString('en-US') would, without the languages that it loads first. */
function grouped(value: number | bigint): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

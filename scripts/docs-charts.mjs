// Fills the charts of the pages from their tables: node scripts/docs-charts.mjs --check|--write [folder of pages]
//
// A comment says where the bars of the chart behind it come from; every number stands in a table, and only there by hand:
//
//   <!-- chart: ascending
//   blue: benchmarks.md | Side by side, a million orders | pause (ms)      colour, page, beginning of a heading, column
//   - forksnap, heap                                                       a bar: its label is the first cell of a row
//   - heap, 1.6 GB = 20.20.2 | 1.6                                         or stands before the first cells of the row
//   -->
//
// Bars come in this order (`listed`), or by length (`ascending`, `descending`).
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { main } from './run.mjs'

const COLOURS = { blue: '#2f81f7', grey: '#8b949e', green: '#3fb950', orange: '#db8b0b' }
/** Characters; with more Mermaid has no room for the labels, and shows none of them. */
const LABEL_MAX = 30
const CHART = /^<!-- chart: (\w+)\n([^]*?)\n-->\n\n(?:```mermaid\n([^]*?)\n```\n\n)?/gm
const ORDERS = {
  listed: () => 0,
  ascending: (a, b) => a.value - b.value,
  descending: (a, b) => b.value - a.value,
}

/** The cells of a line of a table, without the marks of code and bold; none for any other line. */
function cellsOf(line) {
  if (!line.startsWith('|')) return []
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.replace(/[`*]/g, '').trim())
}

/** The first table with that column below the heading that begins so: its header and its rows. */
function tableOf(folder, { page, heading, column }) {
  const sections = readFileSync(join(folder, page), 'utf8').split(/^#+ /m)
  const found = sections.filter((section) => section.startsWith(heading))
  if (found.length !== 1) throw new Error(`${page} has ${found.length} headings that begin with "${heading}"`)
  const lines = found[0].split('\n').map(cellsOf)
  const start = lines.findIndex((cells, at) => cells.includes(column) && /^:?-+:?$/.test(lines[at + 1]?.[0] ?? ''))
  if (start === -1) throw new Error(`${page}, "${heading}" has no table with the column "${column}"`)
  const length = lines.slice(start).findIndex((cells) => cells.length === 0)
  return { header: lines[start], rows: lines.slice(start + 2, length === -1 ? undefined : start + length) }
}

/** The bar that a line of the comment asks for: `text` as the table has it, `value` as a number. */
function barOf(folder, source, line) {
  const [label, key = label] = line.split(' = ').map((part) => part.trim())
  const { header, rows } = tableOf(folder, source)
  const cells = key.split(' | ')
  const found = rows.filter((row) => cells.every((cell, at) => row[at] === cell))
  const place = `${source.page}, "${source.heading}", "${source.column}"`
  if (found.length !== 1) throw new Error(`${place} has ${found.length} rows that begin with "${key}"`)
  const text = found[0][header.indexOf(source.column)]
  const [, digits] = /^([\d,]+(?:\.\d+)?)(?: %)?$/.exec(text) ?? []
  if (digits === undefined) throw new Error(`${place} has no single number for "${key}", but "${text}"`)
  if (`${label}: ${text}`.length > LABEL_MAX)
    throw new Error(`"${label}: ${text}" is longer than ${LABEL_MAX} characters`)
  return { label, text, value: Number(digits.replaceAll(',', '')), colour: source.colour, place }
}

function barsOf(folder, order, lines) {
  if (!(order in ORDERS)) throw new Error(`the order is one of ${Object.keys(ORDERS).join(', ')}, not "${order}"`)
  const bars = []
  let source
  for (const line of lines) {
    const [, colour, page, heading, column] = /^(\w+): (\S+) \| (.+?) \| (.+)$/.exec(line) ?? []
    if (colour in COLOURS) source = { colour, page, heading, column }
    else if (line.startsWith('- ') && source !== undefined) bars.push(barOf(folder, source, line.slice(2)))
    else throw new Error(`"${line}" is neither a source nor a bar`)
  }
  return bars.sort(ORDERS[order])
}

const quoted = ({ label, text }) => `"${label}: ${text}"`

/**
 * The block of Mermaid. Its width is that of a telephone, since Mermaid cuts labels off where it has to make a chart smaller.
 * There is no axis of values, whose labels would shift the bars: the labels of the bars have the numbers. A colour is a
 * series, whose bars lie over those of the others, and have no length where they are not its own.
 */
function blockOf(bars) {
  const colours = [...new Set(bars.map(({ colour }) => colour))]
  const series = colours.map(
    (own) => `  bar [${bars.map(({ colour, value }) => (colour === own ? value : 0)).join(', ')}]`,
  )
  const hidden = 'showTitle: false, showTick: false, showAxisLine: false'
  return [
    '---',
    'config:',
    '  xyChart:',
    '    width: 350',
    `    height: ${24 * bars.length}`,
    '    plotReservedSpacePercent: 35',
    `    xAxis: { labelFontSize: 12, ${hidden} }`,
    `    yAxis: { showLabel: false, ${hidden} }`,
    '  themeVariables:',
    '    xyChart:',
    "      backgroundColor: 'transparent'",
    `      plotColorPalette: '${colours.map((colour) => COLOURS[colour]).join(', ')}'`,
    '---',
    'xychart-beta horizontal',
    `  x-axis [${bars.map(quoted).join(', ')}]`,
    `  y-axis 0 --> ${Math.max(...bars.map(({ value }) => value))}`,
    ...series,
  ].join('\n')
}

/** What is wrong with a chart, number by number. */
function problemsOf(bars, block) {
  if (block === blockOf(bars)) return []
  const labels = [...(block ?? '').matchAll(/"(.+?): (\S+(?: %)?)"/g)].map(([, label, text]) => ({ label, text }))
  const problems = bars.flatMap(({ label, text, place }) => {
    const shown = labels.find((other) => other.label === label)?.text
    return shown === text ? [] : [`"${label}" is ${shown ?? 'missing'}, and ${text} in ${place}`]
  })
  return problems.length > 0 ? problems : ['a number, the order or the form is not what is made of its tables']
}

/** Looks through a page, or writes it anew; the problems that it has. */
function seeTo(folder, page, write) {
  const path = join(folder, page)
  const text = readFileSync(path, 'utf8')
  const problems = []
  const charts = [...text.matchAll(CHART)]
  const lineAt = (index) => text.slice(0, index).split('\n').length
  const filled = text.replaceAll(CHART, (whole, order, said, block, index) => {
    try {
      const bars = barsOf(folder, order, said.split('\n'))
      problems.push(...problemsOf(bars, block).map((problem) => `${page}:${lineAt(index)}: ${problem}`))
      return `<!-- chart: ${order}\n${said}\n-->\n\n\`\`\`mermaid\n${blockOf(bars)}\n\`\`\`\n\n`
    } catch (error) {
      throw new Error(`${page}:${lineAt(index)}: ${error.message}`, { cause: error })
    }
  })
  const blocks = text.match(/^xychart/gm)?.length ?? 0
  if (blocks > charts.length) problems.push(`${page}: a chart has no comment before it that says where it comes from`)
  if (write && filled !== text) writeFileSync(path, filled)
  return { charts: charts.length, problems }
}

main(() => {
  const root = resolve(import.meta.dirname, '..')
  const [mode, folder = join(root, 'docs')] = process.argv.slice(2)
  if (mode !== '--check' && mode !== '--write')
    throw new Error('usage: node scripts/docs-charts.mjs --check|--write [folder of pages]')
  const pages = readdirSync(folder).filter((name) => name.endsWith('.md'))
  const seen = pages.map((page) => seeTo(folder, page, mode === '--write'))
  const problems = seen.flatMap((page) => page.problems)
  const charts = seen.reduce((sum, page) => sum + page.charts, 0)
  if (mode === '--check' && problems.length > 0)
    throw new Error(`${problems.join('\n')}\n"npm run docs:charts" makes the charts anew from the tables`)
  for (const problem of problems) console.log(`mended: ${problem}`)
  console.log(`${charts} charts of ${relative(root, resolve(folder)) || folder} are those of their tables`)
})

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Every number of a chart stands in the table that the comment before the chart names. */

const root = join(__dirname, '../..')
const FIGURES = [
  '# Figures\n\n## By size, load of 2\n',
  '| heap  | mappings | `later` pause (ms) |\n| ----- | -------- | ----------------: |',
  '| 1 GB  | 4,110    | 39.5               |\n| 2 GB  | 7,990    | 1,073.6            |\n',
].join('\n')
const COMMENT =
  '<!-- chart: descending\nblue: figures.md | By size | later pause (ms)\n- heap, 1 GB = 1 GB\n- 2 GB\n-->'
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'forksnap-charts-'))
  writeFileSync(join(folder, 'figures.md'), FIGURES)
  writeFileSync(join(folder, 'page.md'), `# Page\n\n${COMMENT}\n\nText.\n`)
  expect(charts('--write', folder).status).toBe(0)
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function charts(mode: '--check' | '--write', pages: string): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/docs-charts.mjs', mode, pages], {
    cwd: root,
    encoding: 'utf8',
  })
  return { status, said: stdout + stderr }
}

const read = (page: string): string => readFileSync(join(folder, page), 'utf8')

/** Writes a page anew, in which one text stands for another. */
function change(page: string, from: string, to: string): void {
  expect(read(page)).toContain(from)
  writeFileSync(join(folder, page), read(page).replace(from, to))
}

it('the charts of the pages are those of their tables', () => {
  expect(charts('--check', 'docs')).toEqual({ status: 0, said: expect.stringMatching(/^[1-9]\d* charts /) })
})

it('a chart is made of its table, by length, and stays what it is', () => {
  expect(read('page.md')).toContain(
    [
      'xychart-beta horizontal',
      '  x-axis ["2 GB: 1,073.6", "heap, 1 GB: 39.5"]',
      '  y-axis 0 --> 1073.6',
      '  bar [1073.6, 39.5]',
      '```\n\nText.\n',
    ].join('\n'),
  )
  expect(charts('--check', folder)).toMatchObject({ status: 0 })
})

describe('a difference is found, and told with page, line, both numbers and table', () => {
  it('where a table has changed, and mended', () => {
    change('figures.md', '39.5', '1,234.5')
    const told = 'page.md:3: "heap, 1 GB" is 39.5, and 1,234.5 in figures.md, "By size", "later pause (ms)"\n'
    expect(charts('--check', folder)).toEqual({ status: 1, said: expect.stringContaining(told) })
    expect(charts('--write', folder).status).toBe(0)
    expect(read('page.md')).toContain('bar [1234.5, 1073.6]')
    expect(charts('--check', folder).status).toBe(0)
  })

  it.each([
    ['a label', 'heap, 1 GB: 39.5', 'heap, 1 GB: 38.5', '"heap, 1 GB" is 38.5, and 39.5 in figures.md'],
    ['a bar', ', 39.5]', ', 38.5]', 'a number, the order or the form'],
    ['the comment', '<!-- chart: ', '<!-- ', 'page.md: a chart has no comment before it'],
  ])('where %s of a chart has changed', (_what, from, to, told) => {
    change('page.md', from, to)
    expect(charts('--check', folder)).toEqual({ status: 1, said: expect.stringContaining(told) })
  })

  it.each([
    ['heading', '## By size', '## By length', 'page.md:3: figures.md has 0 headings that begin with "By size"'],
    ['column', 'later', 'first', 'has no table with the column "later pause (ms)"'],
    ['row', '| 1 GB ', '| 1 GiB', 'has 0 rows that begin with "1 GB"'],
    ['number', '39.5', '39 or 40', 'has no single number for "1 GB", but "39 or 40"'],
  ])('where the %s is no more', (_what, from, to, told) => {
    change('figures.md', from, to)
    expect(charts('--write', folder)).toEqual({ status: 1, said: expect.stringContaining(told) })
  })
})

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeBlocksOf } from '../helpers/code-blocks'

/**
 * Diagrams of Mermaid are of forms that it is known to draw. Its own parser comes with 150 MB of packages; what it
 * takes was seen once by hand, and these are the forms of it. Charts are written by a program (charts.test.ts).
 */

const root = join(__dirname, '../..')
const pages = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(root, 'docs')).map((name) => join('docs', name))]
const blocks = pages
  .filter((page) => page.endsWith('.md'))
  .flatMap((page) => codeBlocksOf(page, readFileSync(join(root, page), 'utf8')))
  .filter(({ language }) => language === 'mermaid')

const NAME = '[A-Z]'
/** A semicolon ends a statement, even in the midst of a sentence; a hash begins an entity. */
const TEXT = String.raw`[^;#\s][^;#]*`
const LINES = [
  String.raw`participant (?<actor>${NAME}) as ${TEXT}`,
  String.raw`Note over (?<first>${NAME})(?:,(?<last>${NAME}))?: ${TEXT}`,
  String.raw`(?<from>${NAME})--?>>(?<to>${NAME}): ${TEXT}`,
  String.raw`(?<opens>rect) rgba\(\d+, \d+, \d+, [\d.]+\)`,
  String.raw`(?<begins>par) ${TEXT}`,
  String.raw`(?<continues>and) ${TEXT}`,
  String.raw`(?<ends>end)`,
].map((form) => new RegExp(`^${form}$`))

/** The lines of a sequence diagram that are in none of these forms, name nobody that there is, or are left open. */
function problemsOf(code: string): string[] {
  const [, body] = /^(?:---\nconfig:\n(?: {2}.*\n)+---\n)?sequenceDiagram\n([^]*)$/.exec(code) ?? []
  if (body === undefined) return ['it is no sequence diagram']
  const actors = new Set<string>()
  const open: string[] = []
  const problems = body.split('\n').filter((whole) => {
    const line = whole.trim()
    if (line === '') return false
    const said = LINES.map((form) => form.exec(line)).find((match) => match !== null)?.groups
    if (said === undefined) return true
    const { actor, first, last, from, to, opens, begins, continues, ends } = said
    if (actor !== undefined) actors.add(actor)
    const block = opens ?? begins
    if (block !== undefined) open.push(block)
    if (continues !== undefined) return open.at(-1) !== 'par'
    if (ends !== undefined) return open.pop() === undefined
    return [first, last, from, to].some((name) => name !== undefined && !actors.has(name))
  })
  return [...problems, ...open.map((block) => `${block} has no end`)]
}

describe('a diagram', () => {
  const diagrams = blocks.filter(({ code }) => !/^xychart/m.test(code))

  it('is found, and there are some', () => expect(diagrams.length).toBeGreaterThan(0))

  for (const { place, code } of diagrams) it(`${place} can be drawn`, () => expect(problemsOf(code)).toEqual([]))

  it.each([
    ['A->>B: fsync; rename', ['A->>B: fsync; rename']],
    ['A->>C: who?', ['A->>C: who?']],
    ['A->B: another arrow', ['A->B: another arrow']],
    ['rect rgba(1, 2, 3, 0.5)', ['rect has no end']],
    ['end', ['end']],
    ['and more', ['and more']],
  ])('with %s is refused', (line, problems) => {
    const head =
      '---\nconfig:\n  sequence: { width: 90 }\n---\nsequenceDiagram\nparticipant A as one\nparticipant B as two\n'
    expect(problemsOf(`${head}A->>B: all is well`)).toEqual([])
    expect(problemsOf(head + line)).toEqual(problems)
  })
})

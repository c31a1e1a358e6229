import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

/** docs/troubleshooting.md has a section for each error code, and no page speaks of a code that there is not. */

const root = join(__dirname, '../..')
const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8')

/** The members of `ForksnapErrorCode`, as the compiler's parser sees them. */
function codes(): string[] {
  const source = ts.createSourceFile('errors.ts', read('src/errors.ts'), ts.ScriptTarget.ES2023)
  const union = source.statements
    .filter(ts.isTypeAliasDeclaration)
    .find(({ name }) => name.text === 'ForksnapErrorCode')?.type
  if (union === undefined || !ts.isUnionTypeNode(union)) throw new Error('errors.ts has no union ForksnapErrorCode')
  return union.types.map((type) => {
    if (ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal)) return type.literal.text
    throw new Error('a member of ForksnapErrorCode is no text')
  })
}

/** The sections of third level whose title is nothing but a code: their titles and what they say. */
function sections(): { code: string; text: string }[] {
  const parts = read('docs/troubleshooting.md').split(/^#{2,3} /m)
  return parts.flatMap((part) => {
    const [, code, text] = /^`(ERR_\w+)`\n([^]*)/.exec(part) ?? []
    return code === undefined || text === undefined ? [] : [{ code, text }]
  })
}

it('has a section for each code, and none for another or twice', () => {
  expect(codes().length).toBeGreaterThan(20)
  const documented = sections().map(({ code }) => code)
  expect(documented.sort()).toEqual(codes().sort())
})

it('says of each code when it comes and what to do', () => {
  const lacking = sections().filter(({ text }) => !/^\S[^]*^- \*\*When:\*\* \S[^]*^- \*\*Do:\*\* \S/m.test(text.trim()))
  expect(lacking.map(({ code }) => code)).toEqual([])
})

it('no page speaks of a code that there is not', () => {
  const known = new Set(codes())
  const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => join('docs', name))]
  const unknown = pages
    .filter((page) => page.endsWith('.md'))
    .flatMap((page) => (read(page).match(/\bERR_[A-Z_]+/g) ?? []).map((code) => ({ page, code })))
    .filter(({ code }) => !known.has(code))
  expect(unknown).toEqual([])
})

it('tells of each check of the doctor what comes of it', () => {
  const folder = 'src/cli/doctor'
  const sources = readdirSync(join(root, folder)).map((name) => read(folder, name))
  const judged = sources.flatMap((text) => [...text.matchAll(/judge\(['`]([\w${}-]+)['`]/g)].map(([, id = '']) => id))
  const ids = judged.flatMap((id) => (id === 'disk-${kind}' ? ['disk-slices', 'disk-log'] : [id]))
  const [, table = ''] = /^\| finding [^]*?\n([^]*?)\n\n/m.exec(read('docs/troubleshooting.md')) ?? []
  const cells = table.split('\n').map((row) => row.split('|')[1] ?? '')
  const told = cells.flatMap((cell) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, id = '']) => id))
  expect(told.sort()).toEqual(ids.sort())
})

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** Links between the pages, and from the sources to them, lead to a file and a heading that there are. */

const root = join(__dirname, '../..')
const under = (folder: string, name: RegExp): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => name.test(path) && !path.includes('node_modules'))
    .map((path) => join(folder, path))
const PAGES = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...['docs', 'examples', 'bench', 'test'].flatMap((folder) => under(folder, /\.md$/)),
]
const SOURCES = ['src', 'native', 'examples', 'bench', 'scripts'].flatMap((f) =>
  under(f, /\.(m?[jt]s|c|cc|h|proto|json)$/),
)

/** The page without its blocks of code, and without what stands in backquotes. */
function prose(text: string): string {
  return text.replace(/^ *(```|~~~)[^]*?^ *\1 *$/gm, '').replace(/(`+)(?!`)[^]*?[^`]\1(?!`)/g, '')
}

/** The anchors that GitHub makes of headings: small letters, hyphens for spaces, no other marks, a number if it comes again. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, title = ''] of text.replace(/^ *(```|~~~)[^]*?^ *\1 *$/gm, '').matchAll(/^#{1,6} +(.*)$/gm)) {
    const words = title
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
    const slug = words.replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replace(/ /g, '-')
    let anchor = slug
    for (let again = 1; anchors.has(anchor); again++) anchor = `${slug}-${again}`
    anchors.add(anchor)
  }
  return anchors
}

/** Why a link of a page leads nowhere; nothing if it does lead somewhere. */
function reasonAgainst(page: string, target: string): string | undefined {
  if (/^(https?|mailto):/.test(target)) return undefined
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : join(dirname(page), path)
  if (relative('.', file).startsWith('..') || !existsSync(join(root, file))) return `no file ${file}`
  if (anchor === undefined) return undefined
  return anchorsOf(readFileSync(join(root, file), 'utf8')).has(anchor) ? undefined : `no heading #${anchor} in ${file}`
}

const targetsOf = (text: string): string[] => {
  const inline = [...prose(text).matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)]
  const below = [...prose(text).matchAll(/^ *\[[^\]]+\]: +(\S+)/gm)]
  return [...inline, ...below].map(([, target = '']) => target)
}

describe('a link', () => {
  const links = PAGES.flatMap((page) =>
    targetsOf(readFileSync(join(root, page), 'utf8')).map((target) => ({ page, target })),
  )

  it('is found, and there are some of each kind', () => {
    expect(links.filter(({ target }) => target.includes('.md#')).length).toBeGreaterThan(5)
    expect(links.filter(({ target }) => target.startsWith('#')).length).toBeGreaterThan(5)
  })

  it('of a page leads to a file and a heading that there are', () => {
    const dead = links.map(({ page, target }) => ({ page, target, reason: reasonAgainst(page, target) }))
    expect(dead.filter(({ reason }) => reason !== undefined)).toEqual([])
  })

  it('of a source to a page does so, too', () => {
    const named = SOURCES.flatMap((source) =>
      [...readFileSync(join(root, source), 'utf8').matchAll(/\bdocs\/[\w-]+\.md(?:#[\w-]+)?/g)].map(([target]) => ({
        source,
        target,
      })),
    )
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter(({ target }) => reasonAgainst('README.md', target) !== undefined)).toEqual([])
  })
})

it('every page of docs is linked to from the README', () => {
  const linked = new Set(targetsOf(readFileSync(join(root, 'README.md'), 'utf8')).map((target) => target.split('#')[0]))
  expect(PAGES.filter((page) => page.startsWith('docs/') && !linked.has(page))).toEqual([])
})

describe('the reading of links', () => {
  it('makes the anchors of GitHub', () => {
    const text = '# A `b()`: 1,000 & c\n\n## ERR_X_Y\n\n```sh\n# no heading\n```\n\n### [l](m.md) – n\n\n## ERR_X_Y\n'
    expect([...anchorsOf(text)]).toEqual(['a-b-1000--c', 'err_x_y', 'l--n', 'err_x_y-1'])
  })

  it('finds links, but not in code', () => {
    const text = '[a](b.md#c) `[d](e)` [`f`](<g.md>)\n\n```js\n[h](i)\n```\n\n[j]: k.md\n![l](m.png "n")\n'
    expect(targetsOf(text)).toEqual(['b.md#c', 'g.md', 'm.png', 'k.md'])
  })

  it.each([
    ['docs/no-such.md', 'no file docs/no-such.md'],
    ['docs/cli.md#no-such', 'no heading #no-such in docs/cli.md'],
    ['../elsewhere', 'no file ../elsewhere'],
    ['docs/cli.md#doctor', undefined],
    ['https://example.org/', undefined],
  ])('says of %s: %s', (target, reason) => expect(reasonAgainst('README.md', target)).toBe(reason))
})

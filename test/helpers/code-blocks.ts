/** The fenced code blocks of a page in Markdown, and what comments before them say about running them. */

export interface CodeBlock {
  /** `docs/arena.md:10`, where the block begins. */
  readonly place: string
  /** Behind the fence, in lower case; empty if there is nothing. */
  readonly language: string
  /** With what comes before and after it, which the page does not show. */
  readonly code: string
  /** Why it is not run. */
  readonly skip: string | undefined
  /** Whether it needs a PostgreSQL server, to which PGHOST, PGPORT, PGUSER and PGDATABASE lead. */
  readonly postgres: boolean
}

const FENCE = /^ {0,8}(`{3,}|~{3,})\s*([\w+-]*)/
const COMMENT = /^<!--\s*code(?: (before|after))?:([^]*?)-->$/

interface Directives {
  skip?: string
  postgres: boolean
  continues: boolean
  before: string
  after: string
}

/**
 * Comments that stand between a paragraph and a block tell how the block is run:
 *
 *   <!-- code: skip, it needs a cluster of Kubernetes -->     not run, and why
 *   <!-- code: postgres -->                                   with a PostgreSQL server
 *   <!-- code: continues -->                                  after the block before it, in one program
 *   <!-- code before: const { Snapshotter } = ... -->         a part of the program that the page does not show;
 *   <!-- code after: snapshotter.close() -->                  both may have several lines
 *
 * Throws for a comment of that form that it does not know, and for a block without an end.
 */
export function codeBlocksOf(file: string, text: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  const lines = text.split('\n')
  let directives = none()
  for (let i = 0; i < lines.length; i++) {
    const line = (lines[i] ?? '').trim()
    const [, fence, language = ''] = FENCE.exec(lines[i] ?? '') ?? []
    if (fence !== undefined) {
      const end = lines.findIndex((other, at) => at > i && other.trim() === fence)
      if (end === -1) throw new Error(`${file}:${i + 1}: the block has no end`)
      const own = lines.slice(i + 1, end).join('\n')
      const first = directives.continues ? `${blocks.at(-1)?.code ?? ''}\n` : ''
      const code = `${first}${directives.before}${own}\n${directives.after}`
      const { skip, postgres } = directives
      blocks.push({ place: `${file}:${i + 1}`, language: language.toLowerCase(), code, skip, postgres })
      i = end
      directives = none()
    } else if (line.startsWith('<!--')) {
      const end = lines.findIndex((other, at) => at >= i && other.trimEnd().endsWith('-->'))
      if (end === -1) throw new Error(`${file}:${i + 1}: the comment has no end`)
      const comment = lines.slice(i, end + 1).join('\n').trim() // prettier-ignore
      direct(directives, comment, `${file}:${i + 1}`)
      i = end
    } else if (line !== '') directives = none()
  }
  return blocks
}

function none(): Directives {
  return { postgres: false, continues: false, before: '', after: '' }
}

function direct(directives: Directives, comment: string, place: string): void {
  const [, part, said = ''] = COMMENT.exec(comment) ?? []
  if (part === 'before' || part === 'after') directives[part] += `${said.trim()}\n`
  else if (/^<!--\s*code\b/.test(comment)) {
    const word = said.trim()
    if (word === 'postgres' || word === 'continues') directives[word] = true
    else if (/^skip, \S.{9,}/.test(word)) directives.skip = word.slice('skip, '.length)
    else throw new Error(`${place}: "${comment}" is not among what may be said about a block of code`)
  }
}

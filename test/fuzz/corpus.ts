import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Case } from './target'

/** The repository's folder, seen from test/fuzz as well as from dist/test/fuzz. */
const root = [join(__dirname, '../..'), join(__dirname, '../../..')].find((path) =>
  existsSync(join(path, 'jest.config.js')),
)

/** A case with what came of it, the code first. */
export interface Kept extends Case {
  readonly outcome: string
}

function pathOf(target: string): string {
  return join(root ?? '', 'test', 'corpus', `${target}.jsonl`)
}

/** The cases that are kept in the repository: one for each thing that can come of a case, and those that failed once. */
export function readCorpus(target: string): Kept[] {
  const path = pathOf(target)
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Kept)
}

export function keep(target: string, input: Kept): void {
  mkdirSync(dirname(pathOf(target)), { recursive: true })
  appendFileSync(pathOf(target), `${JSON.stringify(input)}\n`)
}

/**
 * `npm run bench`: compares forksnap with other ways of saving a process's state (see `bench/compare.ts`) and makes one
 * file of HTML of it, with charts and all numbers, that needs nothing else.
 *
 *   node dist/bench/report.js [--out bench-report/report.html] [--from FILE]... [--include FILE]... [--save FILE]
 *                             [--sizes 10k,100k,1M] [--full] [--rounds 5] [--methods heap,redis]
 *
 * `--from` takes the numbers of an earlier run (`--save`, or `bench:compare -- --json`) instead of measuring, of several if they were of different sizes; `--include` adds what
 * another benchmark printed with `--json`. The first time, it installs charts and SQLite into `bench/node_modules`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { benchFolder } from './lib/compare/folders'
import { COMPARE_ARGUMENTS, compareOptions } from './lib/compare/options'
import { type Comparison, merged } from './lib/compare/results'
import { compare } from './lib/compare/run'
import { installPackages, loadDraw } from './lib/page/packages'
import { makePage } from './lib/page/page'
import type { Report } from './lib/report'

const OUT = 'bench-report/report.html'

const tell = (line: string): void => console.error(line)

function write(path: string, text: string): void {
  mkdirSync(dirname(resolve(path)), { recursive: true })
  writeFileSync(path, text)
}

async function main(): Promise<void> {
  const own = {
    out: { type: 'string', default: OUT },
    from: { type: 'string', multiple: true },
    save: { type: 'string' },
    include: { type: 'string', multiple: true, default: [] as string[] },
  } as const
  const { values } = parseArgs({ options: { ...COMPARE_ARGUMENTS, ...own } })
  const options = compareOptions(values)
  const reports = values.include.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report)
  installPackages(benchFolder(), tell)
  const comparison =
    values.from === undefined
      ? compare(options, tell)
      : merged(values.from.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Comparison))
  // Before anything can fail that comes after it: measuring takes long.
  if (values.save !== undefined) write(values.save, JSON.stringify(comparison))
  write(values.out, await makePage(comparison, reports, await loadDraw(benchFolder())))
  console.log(`The report is ${resolve(values.out)}`)
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})

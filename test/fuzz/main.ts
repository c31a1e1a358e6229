/**
 * Feeds the readers of slices and logs with what was sound before it was changed:
 *
 *   node dist/test/fuzz/main.js [--minutes 1 | --cases N] [--seed N] [--target slice|log] [--keep]
 *   node dist/test/fuzz/main.js --target slice --case '{"seed":"gzip","steps":[...]}'
 *
 * The kept cases come first. A case that fails is made smaller, told as one line, and the program ends with code 1; run it
 * again with --case, and add the line to test/corpus/<target>.jsonl once it is mended. With --keep, cases of which comes what
 * no kept one has shown are added there, made smaller.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Random } from '../../examples/exchange/random'
import { keep, readCorpus } from './corpus'
import { logTarget } from './log-target'
import { sliceTarget } from './slice-target'
import type { Case, Target } from './target'
import { Watch } from './watch'

interface Limits {
  /** Cases of each target, drawn ones. */
  readonly cases: number
  /** Of each target. */
  readonly ms: number
  readonly seed: number
  readonly keeps: boolean
}

const watch = new Watch()

/** What came of a case; an error is told, not thrown. */
async function outcome(target: Target, input: Case): Promise<{ readonly outcome: string; readonly failed?: unknown }> {
  watch.begin(JSON.stringify({ target: target.name, ...input }))
  try {
    return { outcome: await target.run(input) }
  } catch (error) {
    return { outcome: 'failed', failed: error }
  }
}

/** Leaves out one step after the other as long as the same comes of it. */
async function smaller(target: Target, input: Case, wanted: string): Promise<Case> {
  let { steps } = input
  for (let i = steps.length - 1; i >= 0 && steps.length > 1; i--) {
    const fewer = steps.filter((_, at) => at !== i)
    if ((await outcome(target, { seed: input.seed, steps: fewer })).outcome === wanted) steps = fewer
  }
  return { seed: input.seed, steps }
}

async function fail(target: Target, input: Case, error: unknown): Promise<never> {
  const small = await smaller(target, input, 'failed')
  console.error(`${target.name}: ${error instanceof Error ? error.stack : String(error)}`)
  console.error(`--target ${target.name} --case '${JSON.stringify(small).replaceAll("'", "'\\''")}'`)
  process.exit(1)
}

async function fuzz(target: Target, { cases, ms, seed, keeps }: Limits): Promise<object> {
  const seen = new Map<string, number>()
  const corpus = readCorpus(target.name)
  for (const { outcome: expected, ...input } of corpus) {
    const { outcome: got, failed } = await outcome(target, input)
    if (failed !== undefined) await fail(target, input, failed)
    // The code is what counts; Node before 22.15 has no zstd.
    const codes = [expected, got].map((text) => text.split(/[ ;]/)[0])
    if (codes[0] !== codes[1] && !codes.includes('ERR_UNSUPPORTED_PLATFORM')) {
      await fail(target, input, new Error(`expected ${expected}, got ${got}`))
    }
    seen.set(got, 0)
  }
  const random = Random.seeded(seed)
  const end = performance.now() + ms
  let drawn = 0
  let added = 0
  for (; drawn < cases && performance.now() < end; drawn++) {
    const input = target.draw(random)
    const { outcome: got, failed } = await outcome(target, input)
    if (failed !== undefined) await fail(target, input, failed)
    if (!seen.has(got) && keeps) {
      keep(target.name, { ...(await smaller(target, input, got)), outcome: got })
      added++
    }
    seen.set(got, (seen.get(got) ?? 0) + 1)
  }
  const read = [...seen].reduce((sum, [got, times]) => sum + (/^read\b/.test(got) ? times : 0), 0)
  return { target: target.name, seed, kept: corpus.length, drawn, added, read, outcomes: seen.size }
}

async function main(): Promise<void> {
  const text = { type: 'string' as const }
  const options = {
    minutes: text,
    cases: text,
    seed: text,
    target: text,
    case: text,
    keep: { type: 'boolean' as const },
  }
  const { values } = parseArgs({ options })
  const all = [sliceTarget, logTarget] as Target[]
  const targets = all.filter(({ name }) => values.target === undefined || values.target === name)
  if (targets.length === 0) throw new Error(`--target must be ${all.map(({ name }) => name).join(' or ')}`)
  if (values.case !== undefined) {
    for (const target of targets) console.log(await target.run(JSON.parse(values.case) as Case))
    return
  }
  const cases = values.cases === undefined ? Infinity : Number(values.cases)
  const minutes = Number(values.minutes ?? (values.cases === undefined ? 1 : Infinity))
  const seed = Number(values.seed ?? randomInt(2 ** 32))
  for (const target of targets) {
    const ms = (minutes * 60_000) / targets.length
    console.log(JSON.stringify(await fuzz(target, { cases, ms, seed, keeps: values.keep === true })))
  }
}

void main()

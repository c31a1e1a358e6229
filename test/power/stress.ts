/**
 * Cuts the power of an engine again and again, and then of store and log by themselves:
 *
 *   npm run stress:power -- [--rounds 1000] [--seed N] [--skip STEP]
 *   npm run stress:power -- --mutations [--rounds 200]
 *
 * With `--mutations` it shows instead that the rounds would notice: for every step of src/failpoint.ts that syncs something
 * for a store or a log in files, its syncs are left out, and then something must be lost within `--rounds` rounds or
 * at the moment of probes.ts.
 */
import { parseArgs } from 'node:util'
import { syncSteps, type SyncStep } from '../../src/failpoint'
import { whyNoDisk } from './forgetful-disk'
import { lossAt, probes } from './probes'
import { runRounds } from './rounds'
import type { Program } from './run'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    skip: { type: 'string' },
    mutations: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const PROGRESS_ROUNDS = 100

function stepNamed(name: string): SyncStep {
  const step = syncSteps.find((one) => one === name)
  if (step === undefined) throw new Error(`No step syncs by the name of ${name}; there are ${syncSteps.join(', ')}`)
  return step
}

/** Whether all went well. */
async function rounds(program: Program, count: number): Promise<boolean> {
  const report = await runRounds({
    program,
    rounds: count,
    seed,
    ...(values.skip === undefined ? {} : { skip: stepNamed(values.skip) }),
    onRound: (done) => {
      if (done.rounds % PROGRESS_ROUNDS === 0) console.log(`${program}: ${JSON.stringify(done)}`)
    },
  })
  console.log(`${program}: ${report.loss === undefined ? 'nothing was lost' : 'LOST'} ${JSON.stringify(report)}`)
  return report.loss === undefined
}

/** First by the rounds, which may need many, then by the moment at which that sync is all that counts. */
async function mutations(count: number): Promise<boolean> {
  let all = true
  for (const step of syncSteps) {
    const probe = probes[step]
    if (probe === undefined) continue
    const { rounds, loss } = await runRounds({ program: probe.program, rounds: count, seed, skip: step })
    const at = loss === undefined ? await lossAt(probe, step) : undefined
    const how = loss === undefined ? (at === undefined ? 'NOT NOTICED' : 'noticed by its probe') : 'noticed'
    console.log(`${how} after ${rounds} rounds without ${step}: ${loss ?? at ?? ''}`)
    if (loss === undefined && at === undefined) all = false
  }
  return all
}

async function main(): Promise<void> {
  const reason = whyNoDisk()
  if (reason !== undefined) throw new Error(`The power tests cannot run here: ${reason}`)
  console.log(`seed ${seed}`)
  const ok = values.mutations
    ? await mutations(Number(values.rounds ?? 200))
    : (await rounds('engine', Number(values.rounds ?? 1000))) &&
      (await rounds('parts', Number(values.rounds ?? 1000) / 5)) &&
      (await rounds('command-parts', Number(values.rounds ?? 1000) / 5))
  if (!ok) process.exitCode = 1
}

void main()

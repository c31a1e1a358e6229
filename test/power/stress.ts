/**
 * Cuts the power of an engine again and again: `npm run stress:power -- [--rounds 1000] [--seed N]`.
 *
 * With `--mutations` it shows instead that the rounds would notice: for every place of the code that syncs something, its
 * syncs are left out, and the rounds must then find that something is lost, `--rounds` at most for each place.
 */
import { parseArgs } from 'node:util'
import { syncSteps, type SyncStep } from '../../src/failpoint'
import { whyNoDisk } from './forgetful-disk'
import { runRounds } from './rounds'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    skip: { type: 'string' },
    mutations: { type: 'boolean', default: false },
  },
})

function stepNamed(name: string): SyncStep {
  const step = syncSteps.find((one) => one === name)
  if (step === undefined) throw new Error(`No step syncs by the name of ${name}; there are ${syncSteps.join(', ')}`)
  return step
}

async function main(): Promise<void> {
  const reason = whyNoDisk()
  if (reason !== undefined) throw new Error(`The power tests cannot run here: ${reason}`)
  const began = Date.now()
  const report = await runRounds({
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    ...(values.skip === undefined ? {} : { skip: stepNamed(values.skip) }),
    onRound: (done) => {
      if (done.rounds % 50 === 0) console.log(JSON.stringify(done))
    },
  })
  console.log(JSON.stringify(report, undefined, 2), Date.now() - began)
  if (report.loss !== undefined) process.exitCode = 1
}

void main()

/**
 * The longest time for which the event loop does not turn, from save() to the child's end, while orders are traded at a
 * steady rate; beside it the longest gap in windows of the same length without a snapshot, in the same run.
 *
 *   node dist/bench/gap.js [--json] [--orders 1000000] [--rounds 7] [--rate 20000]
 *
 * `--rate` is in operations per second. The slices go to a folder under the system's temporary one.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { writeState } from '../examples/exchange/state'
import { measureLoopDelay, type LoopDelay } from '../src/loop-delay'
import { Snapshotter } from '../src/snapshotter'
import { FileStore } from '../src/store/file'
import { readArguments } from './lib/arguments'
import { fullExchange, SteadyFlow } from './lib/exchange'
import { printReport } from './lib/report'
import { median } from './lib/statistics'

/** Time to get over what came before: the copies after a snapshot, the optimising after the start. */
const REST_MS = 1_500

interface Round {
  readonly quiet: LoopDelay
  readonly saving: LoopDelay
  readonly pauseMs: number
  readonly forkMs: number
  readonly childMs: number
  readonly quietOperations: number
  readonly savingOperations: number
}

/** The same measurement for both: from here to when `work` settles. */
async function measured<T>(flow: SteadyFlow, work: Promise<T>) {
  const before = flow.done
  const begun = performance.now()
  const delay = measureLoopDelay()
  const result = await work
  const ms = performance.now() - begun
  const operations = ((flow.done - before) / ms) * 1000
  return { result, ms, operations, delay: await delay.stop() }
}

async function round(snapshotter: Snapshotter<{ position: bigint }>, flow: SteadyFlow): Promise<Round> {
  await setTimeout(REST_MS)
  const ended = new Promise<void>((resolve) => snapshotter.once('saved', () => resolve()))
  const saving = await measured(flow, Promise.all([snapshotter.save(), ended]))
  await setTimeout(REST_MS)
  const quiet = await measured(flow, setTimeout(saving.ms))
  const [{ pauseMs, forkMs, childMs }] = saving.result
  return {
    quiet: quiet.delay,
    saving: saving.delay,
    pauseMs,
    forkMs,
    childMs,
    quietOperations: quiet.operations,
    savingOperations: saving.operations,
  }
}

async function main(): Promise<void> {
  const { json, orders, rounds, rate } = readArguments({ orders: 1_000_000, rounds: 7, rate: 20_000 })
  const directory = mkdtempSync(join(tmpdir(), 'forksnap-gap-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const exchange = fullExchange(orders)
  const flow = new SteadyFlow(exchange, rate)
  const snapshotter = new Snapshotter({
    store: new FileStore({ directory, keep: { count: 1 } }),
    meta: () => ({ position: BigInt(flow.done) }),
    write(slice) {
      writeState(exchange.engine, slice)
    },
    intervalMs: 0,
  })
  await snapshotter.start()
  // The first save has the warm-up in it, whose passes are gaps of their own; it is told apart.
  const first = await round(snapshotter, flow)
  const samples: Round[] = []
  for (let i = 0; i < rounds; i++) samples.push(await round(snapshotter, flow))
  await flow.stop()
  await snapshotter.close()
  report(json, `${orders} orders, ${rate} operations/s, ${rounds} rounds`, first, samples)
}

function report(json: boolean, subject: string, first: Round, rounds: readonly Round[]): void {
  const column = (pick: (sample: Round) => number): number[] => rounds.map(pick)
  const saving = column((sample) => sample.saving.longestGapMs)
  const quiet = column((sample) => sample.quiet.longestGapMs)
  const pause = column((sample) => sample.pauseMs)
  printReport(
    {
      bench: 'gap',
      subject,
      figures: [
        { name: 'longest gap from save() to the end', unit: 'ms', values: saving },
        { name: '  of that the pause', unit: 'ms', values: pause },
        { name: '  of that fork()', unit: 'ms', values: column((sample) => sample.forkMs) },
        { name: 'longest gap without a snapshot', unit: 'ms', values: quiet },
        { name: '99th percentile from save() to the end', unit: 'ms', values: column((s) => s.saving.p99Ms) },
        { name: '99th percentile without a snapshot', unit: 'ms', values: column((s) => s.quiet.p99Ms) },
        { name: 'operations while saving', unit: '/s', values: column((s) => s.savingOperations) },
        { name: 'operations without a snapshot', unit: '/s', values: column((s) => s.quietOperations) },
        { name: 'life of the child', unit: 'ms', values: column((s) => s.childMs) },
        { name: 'longest gap of the first save', unit: 'ms', values: [first.saving.longestGapMs] },
      ],
      targets: [
        {
          name: 'longest gap while saving (limit: pause + 2 x longest gap without a snapshot)',
          measured: median(saving),
          limit: median(pause) + 2 * median(quiet),
          kind: 'at-most',
        },
      ],
    },
    json,
  )
}

void main()

/**
 * One process of the copy-on-write measurement: a state that changes as fast as it can, in windows with a snapshot and as
 * long ones without. Prints its samples as one line of JSON.
 *
 *   node dist/bench/lib/cow-round.js LOAD SIZE ROUNDS [spare]
 *
 * With `spare` the process and all of its threads keep to one processor, and its child, like the neighbour, has another one
 * to itself.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { ChildCost } from '../../src/fork-job'
import { binding } from '../../src/binding'
import { measureLoopDelay, type LoopDelay } from '../../src/loop-delay'
import { costBetween, type Collections } from '../../src/parent-cost'
import { Snapshotter } from '../../src/snapshotter'
import { ClosedLoop } from './closed-loop'
import { cowLoadNamed } from './cow-loads'
import { collectAll } from './gc'
import { NullStore } from './null-store'
import { pin } from './pin'

export interface CowWindow {
  readonly delay: LoopDelay
  /** Changes per second. */
  readonly rate: number
  readonly faults: number
  readonly collections: Collections
}

export interface CowSample {
  /** From the end of the pause to the child's end. */
  readonly child: CowWindow
  /** As long without a child. */
  readonly quiet: CowWindow
  /** As long beside a process that does a child's work and shares nothing. */
  readonly beside: CowWindow
  /** Changes per second from `save()` to the child's end, with all that comes before the fork. */
  readonly savingRate: number
  readonly pauseMs: number
  readonly quiesceMs: number
  readonly childMs: number
  readonly faultsInPause: number
  readonly faultsInQuiesce: number
  readonly copiedBytesMax: number
  readonly cowBytes: number
  readonly rows: number
  readonly childCost: ChildCost
  readonly childSystemMs: number
  readonly quietSystemMs: number
}

export interface CowSamples {
  readonly residentBytes: number
  readonly heapUsedBytes: number
  readonly samples: readonly CowSample[]
}

/** Time to get over what came before: the copies after a snapshot, the optimising after the start. */
const REST_MS = 1_500
/** Where the process keeps to if its child is to have a processor to itself. */
const [OWN_CPU, SPARE_CPU] = [0, 1]

/** Counts a load's changes; returns the changes per second since then. */
function rateFromNow(loop: ClosedLoop): () => number {
  const [done, begun] = [loop.done, performance.now()]
  return () => ((loop.done - done) / (performance.now() - begun)) * 1000
}

/** Time that the kernel has spent for this process since then, in milliseconds. */
function systemMsFromNow(): () => number {
  const before = process.cpuUsage()
  return () => process.cpuUsage(before).system / 1000
}

async function quietWindow(loop: ClosedLoop, ms: number): Promise<CowWindow> {
  const before = binding().costSoFar()
  const delay = measureLoopDelay()
  const rate = rateFromNow(loop)
  await setTimeout(ms)
  const window = { rate: rate(), ...costBetween(before, binding().costSoFar()) }
  return { ...window, delay: await delay.stop() }
}

/** A process that runs only in its windows. */
class Neighbour {
  private constructor(private readonly child: ChildProcess) {}

  static async start(args: readonly string[], cpu?: number): Promise<Neighbour> {
    const child = fork(join(__dirname, 'cow-neighbour.js'), args)
    await once(child, 'message')
    if (child.pid !== undefined && cpu !== undefined) pin(child.pid, String(cpu))
    child.kill('SIGSTOP')
    return new Neighbour(child)
  }

  async during<T>(window: () => Promise<T>): Promise<T> {
    this.child.kill('SIGCONT')
    try {
      return await window()
    } finally {
      this.child.kill('SIGSTOP')
    }
  }

  end(): void {
    this.child.kill('SIGKILL')
  }
}

async function sample(loop: ClosedLoop, snapshotter: Snapshotter, neighbour: Neighbour): Promise<CowSample> {
  await setTimeout(REST_MS)
  const savingRate = rateFromNow(loop)
  let childRate = (): number => NaN
  let childSystem = (): number => NaN
  snapshotter.once('forked', () => {
    childRate = rateFromNow(loop)
    childSystem = systemMsFromNow()
  })
  const saved = await snapshotter.save()
  const rates = { child: childRate(), saving: savingRate() }
  const childSystemMs = childSystem()
  const { faults, collections, childDelay, pauseMs, quiesceMs, childMs, copiedBytesMax, cowBytes, rows, childCost } =
    saved
  await setTimeout(REST_MS)
  const quietSystem = systemMsFromNow()
  const quiet = await quietWindow(loop, childMs)
  const beside = await neighbour.during(() => quietWindow(loop, childMs))
  return {
    beside,
    childSystemMs,
    quietSystemMs: quietSystem(),
    quiet,
    child: { delay: childDelay, rate: rates.child, faults: faults.child, collections },
    savingRate: rates.saving,
    ...{ pauseMs, quiesceMs, childMs, copiedBytesMax, cowBytes, rows, childCost },
    faultsInPause: faults.pause,
    faultsInQuiesce: faults.quiesce,
  }
}

async function main(name: string, size: number, rounds: number, spare: boolean): Promise<CowSamples> {
  const neighbour = await Neighbour.start([name, String(size)], spare ? SPARE_CPU : undefined)
  if (spare) pin(process.pid, String(OWN_CPU))
  const load = cowLoadNamed(name)(size)
  collectAll()
  const { rss, heapUsed } = process.memoryUsage()
  const snapshotter = new Snapshotter({
    store: new NullStore(),
    write: (slice) => load.write(slice),
    intervalMs: 0,
    ...(spare && { child: { cpus: [SPARE_CPU] } }),
  })
  await snapshotter.start()
  const loop = new ClosedLoop((number) => load.step(number))
  // The first save has the long warm-up in it, and code that is optimised only now.
  await sample(loop, snapshotter, neighbour)
  const samples: CowSample[] = []
  for (let i = 0; i < rounds; i++) samples.push(await sample(loop, snapshotter, neighbour))
  neighbour.end()
  await loop.stop()
  await snapshotter.close()
  return { residentBytes: rss, heapUsedBytes: heapUsed, samples }
}

const [, , name = '', size, rounds, spare] = process.argv
void main(name, Number(size), Number(rounds), spare === 'spare').then((samples) => console.log(JSON.stringify(samples)))

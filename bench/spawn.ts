/**
 * What `child_process.spawn()` takes (its synchronous part) with a large heap: before the first fork of the process, as the
 * first thing after a fork, while the child lives, and after it has gone.
 *
 *   node dist/bench/spawn.js [--json] [--megabytes 1024] [--rounds 25]
 *
 * libuv forks too, and must not be made to copy the page tables of the heap.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { runFork } from '../src/fork'
import { isForksnapError } from '../src/errors'
import { readArguments } from './lib/arguments'
import { collectAll } from './lib/gc'
import { printReport } from './lib/report'
import { median } from './lib/statistics'

const SPAWNS_WHILE_ALIVE = 3

/** Small objects, as a server's state has them. */
function fillHeap(megabytes: number): object[] {
  const objects: object[] = []
  while (process.memoryUsage().heapUsed < megabytes * 2 ** 20) {
    for (let i = 0; i < 100_000; i++) objects.push({ id: objects.length, links: [i, i + 1], price: i / 3 })
  }
  return objects
}

/** Milliseconds of the synchronous part. The program has ended when the promise resolves. */
async function timedSpawn(): Promise<number> {
  const begun = performance.now()
  const child = spawn('/bin/true', { stdio: 'ignore' })
  const ms = performance.now() - begun
  await once(child, 'exit')
  return ms
}

async function timedSpawns(count: number): Promise<number[]> {
  const values: number[] = []
  for (let i = 0; i < count; i++) values.push(await timedSpawn())
  return values
}

/** One fork whose child waits until it is killed. */
async function round(): Promise<{ first: number; alive: number[] }> {
  const controller = new AbortController()
  let measured: Promise<{ first: number; alive: number[] }> | undefined
  const forked = runFork({
    prepare: () => undefined,
    run: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
    limits: { quiesceMs: 10_000, stallMs: 0, totalMs: 60_000 },
    signal: controller.signal,
    onForked() {
      // The first spawn happens right here, in the tick of the fork.
      const first = timedSpawn()
      measured = (async () => ({ first: await first, alive: await timedSpawns(SPAWNS_WHILE_ALIVE) }))()
      void measured.finally(() => controller.abort())
    },
  })
  await forked.catch((error: unknown) => {
    if (!isForksnapError(error, 'ERR_ABORTED')) throw error
  })
  if (measured === undefined) throw new Error('the fork did not happen')
  return measured
}

async function main(): Promise<void> {
  const { json, megabytes, rounds } = readArguments({ megabytes: 1024, rounds: 25 })
  const state = fillHeap(megabytes)
  collectAll()
  await timedSpawns(5)
  const before = await timedSpawns(rounds)
  const [first, alive, after]: [number[], number[], number[]] = [[], [], []]
  for (let i = 0; i < rounds; i++) {
    const result = await round()
    first.push(result.first)
    alive.push(...result.alive)
    after.push(await timedSpawn())
  }
  const ratio = (values: number[]): number => median(values) / median(before)
  const target = (name: string, values: number[]) =>
    ({ name: `${name} / before`, measured: ratio(values), limit: 1.3, kind: 'at-most' }) as const
  printReport(
    {
      bench: 'spawn',
      subject: `spawn() of /bin/true, heap of ${megabytes} MB (${state.length} objects), ${rounds} forks`,
      figures: [
        { name: 'before the first fork', unit: 'ms', values: before },
        { name: 'first after a fork', unit: 'ms', values: first },
        { name: 'while the child lives', unit: 'ms', values: alive },
        { name: 'after the child has gone', unit: 'ms', values: after },
      ],
      targets: [target('first after a fork', first), target('while the child lives', alive)],
      notes: [`After the child has gone / before: ${ratio(after).toFixed(2)}`],
    },
    json,
  )
}

void main()

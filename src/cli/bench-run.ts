import { getHeapStatistics } from 'node:v8'
import { forkChild } from '../fork'
import type { ChildResult } from '../fork-job'
import type { LoopDelay } from '../loop-delay'
import { packedHeapBytes } from '../packed-heap'
import { assertSupported } from '../platform'
import { availableMemory } from './doctor/memory'
import { System } from './doctor/system'
import { bytesText, cell, count, printJson, printPairs, size } from './output'
import { Problem } from './problem'

/** What an object of the kind below takes with its place in the map, rounded up. */
const OBJECT_BYTES = 256
/** Parts of the heap's limit and of the free memory that may be used. */
const [HEAP_PART, MEMORY_PART] = [0.8, 0.5]

interface Options {
  readonly objects: number
  readonly runs: number
  readonly json?: true
}

/** A figure of each fork. */
interface Measured {
  readonly pauseMs: readonly number[]
  readonly forkMs: readonly number[]
  /** From the first preparation to the child's end; a pause is a gap too. */
  readonly longestGapMs: readonly number[]
  /** From the pause's end to the child's end. */
  readonly childDelay: readonly LoopDelay[]
}

export async function bench({ objects, runs, json }: Options): Promise<void> {
  assertSupported()
  checkRoom(objects)
  const state = build(objects)
  const measured = await measure(state, runs)
  const residentBytes = process.memoryUsage.rss()
  const packed = packedHeapBytes() > 0
  if (json) return printJson({ node: process.version, objects, residentBytes, packed, ...measured })
  const { pauseMs, forkMs, longestGapMs, childDelay } = measured
  printPairs([
    ['node', cell(process.version)],
    ['objects', count(objects)],
    ['resident', size(residentBytes)],
    ['packed heap', cell(packed ? 'yes' : 'no')],
    ['forks', count(runs)],
    ['pause_ms', cell(spread(pauseMs))],
    ['of it fork_ms', cell(spread(forkMs))],
    ['longest gap_ms', cell(spread(longestGapMs))],
    ['delay p50_ms', cell(spread(childDelay.map(({ p50Ms }) => p50Ms)))],
    ['delay p99_ms', cell(spread(childDelay.map(({ p99Ms }) => p99Ms)))],
  ])
}

/** Refuses before it begins: a machine that swaps, or an OOM killer at work, would be a bad answer. */
function checkRoom(objects: number): void {
  const needed = objects * OBJECT_BYTES
  // The memory first: where it is too small, a larger heap is no advice.
  const available = availableMemory(new System(), 'self')
  if (available !== undefined && needed > available.bytes * MEMORY_PART) {
    const have = `${objects} objects need about ${bytesText(needed)}, and ${bytesText(available.bytes)} can be had`
    throw new Problem(`${have} (bound: ${available.bound}); measure fewer`)
  }
  const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics()
  if (needed <= (limit - used) * HEAP_PART) return
  const megabytes = Math.ceil((needed / HEAP_PART + used) / 2 ** 20)
  const have = `${objects} objects need about ${bytesText(needed)}, and the heap may grow to ${bytesText(limit)}`
  throw new Problem(`${have}; set NODE_OPTIONS=--max-old-space-size=${megabytes}, or measure fewer`)
}

interface Order {
  readonly id: number
  readonly owner: string
  price: number
  quantity: number
  readonly side: 'bid' | 'ask'
}

function build(objects: number): Map<number, Order> {
  const state = new Map<number, Order>()
  for (let id = 0; id < objects; id++) {
    state.set(id, { id, owner: `user ${id % 1000}`, price: id * 0.5, quantity: id % 100, side: id % 2 ? 'bid' : 'ask' })
  }
  return state
}

/** Between two forks every hundredth object changes, as it does in a server. */
async function measure(state: Map<number, Order>, runs: number): Promise<Measured> {
  const results: ChildResult<number>[] = []
  for (let run = 0; run < runs; run++) {
    results.push(await forkChild(() => countOpen(state)))
    for (let id = run; id < state.size; id += 100) (state.get(id) as Order).quantity++
  }
  return {
    pauseMs: results.map(({ pauseMs }) => pauseMs),
    forkMs: results.map(({ forkMs }) => forkMs),
    // The loop's delay is sampled each millisecond; the pause is known more exactly.
    longestGapMs: results.map(({ longestGapMs, pauseMs }) => Math.max(longestGapMs, pauseMs)),
    childDelay: results.map(({ childDelay }) => childDelay),
  }
}

function countOpen(state: Map<number, Order>): number {
  let open = 0
  for (const { quantity } of state.values()) if (quantity > 0) open++
  return open
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (part: number): string => sorted[Math.floor((sorted.length - 1) * part)].toFixed(2)
  return `${at(0.5)} (median of ${sorted.length}; ${at(0)} to ${at(1)})`
}

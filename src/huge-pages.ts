import { setTimeout } from 'node:timers'
import { binding } from './binding'

/**
 * While a child lives, the first write to a huge page splits it. After the child's end the pages of a packed heap are made
 * huge again, a few at a time and with rests in between, or the next fork would cost as much as that of a scattered
 * heap. The kernel copies each page for it, some 0.3 ms: on a thread of libuv's pool, which no fork finds at work.
 */

/** Spent at a time; the page that exceeds it is still finished. */
const BUDGET_MS = 1
const REST_MS = 4

/** Children of forks that this process waits for. */
let living = 0
/** Children of the bare fork(), whose end we are not told of. */
const bare = new Set<number>()
let timer: NodeJS.Timeout | undefined
let working = false
/** How often the end of the heap must still be reached until all of it has been gone through. */
let ends = 0
let midway = false
let unsupported = false

/** Pages made huge, those that the kernel refused, and the longest that one took: in all, and on a processor. */
export interface CollapseFigures {
  made: number
  refused: number
  longestMs: number
  longestCpuMs: number
}

const noFigures = (): CollapseFigures => ({ made: 0, refused: 0, longestMs: 0, longestCpuMs: 0 })
let figures = noFigures()

/** What it took since the last call, for the benchmarks. */
export function takeCollapseFigures(): CollapseFigures {
  const taken = figures
  figures = noFigures()
  return taken
}

/** Whether the process exists, as a zombie too: its pages may not be free yet. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function shared(): boolean {
  for (const pid of bare) if (!exists(pid)) bare.delete(pid)
  return living > 0 || bare.size > 0
}

function rest(): void {
  // Nothing but a faster fork depends on it: it keeps no process alive.
  timer ??= setTimeout(step, REST_MS).unref()
}

function step(): void {
  timer = undefined
  // Shared pages would be copied here and not become the child's.
  if (working || shared()) return
  working = true
  binding().packedHeapCollapse(BUDGET_MS, (_, result) => {
    working = false
    figures.made += result.made
    figures.refused += result.refused
    figures.longestMs = Math.max(figures.longestMs, result.longestMs)
    figures.longestCpuMs = Math.max(figures.longestCpuMs, result.longestCpuMs)
    unsupported ||= result.unsupported
    midway = !result.finished
    if (result.finished && ends > 0) ends--
    if (ends > 0 && !unsupported && living === 0) rest()
  })
}

/** Whether pages are still being made huge, or will be after a rest. */
export function isMakingHugePages(): boolean {
  return working || timer !== undefined
}

/** Called for each child that shares this process's pages from now on. */
export function childBegan(): void {
  living++
  clearTimeout(timer)
  timer = undefined
}

/** Called when such a child has been reaped, or has gone in another way. */
export function childEnded(): void {
  living--
  unsupported ||= binding().packedHeapStats() === null
  if (living > 0 || unsupported) return
  // The work of the last time may have been broken off: what it has passed is split again.
  ends = midway || working ? 2 : 1
  rest()
}

/** A child of the bare fork(): no page is made huge until its pid is gone. */
export function bareChildBegan(pid: number): void {
  bare.add(pid)
}

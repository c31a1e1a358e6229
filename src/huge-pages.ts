import { setTimeout } from 'node:timers'
import { binding } from './binding'
import { warnOfThrown } from './events'
import { isForkUnderWay } from './quiesce'

/**
 * While a child lives, the first write to a huge page splits it. After the child's end the pages of a packed heap and of
 * arenas are made huge again, a few at a time and with rests in between, or the next fork would cost as much as that of
 * scattered memory. The kernel copies each page for it, some 0.3 ms: on a thread of libuv's pool, which no fork finds at
 * work.
 */

/** Spent at a time; what exceeds it is still finished: one page of the heap, or four of an arena. */
const BUDGET_MS = 1
const REST_MS = 4
/** Between two looks whether a child is gone whose end nobody tells. */
const LOOK_MS = 1_000

/** Pages of the heap that were made huge, those that the kernel refused, and the longest that one took: in all, and on a processor. */
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

/** What is to be made huge again; one of them at a time. */
abstract class Memory {
  /** How often its end must still be reached until all of it has been gone through. */
  ends = 0
  midway = false
  /** Whether another try is in vain. */
  abstract get unsupported(): boolean
  /** Goes on for `BUDGET_MS`; tells whether its end was reached, or what went wrong. May throw as well. */
  abstract collapse(done: (error: Error | null, finished?: boolean) => void): void
}

class PackedHeap extends Memory {
  private refused = false

  get unsupported(): boolean {
    this.refused ||= binding().packedHeapStats() === null
    return this.refused
  }

  collapse(done: (error: Error | null, finished?: boolean) => void): void {
    binding().packedHeapCollapse(BUDGET_MS, (error, result) => {
      if (result === undefined) return done(error)
      figures.made += result.made
      figures.refused += result.refused
      figures.longestMs = Math.max(figures.longestMs, result.longestMs)
      figures.longestCpuMs = Math.max(figures.longestCpuMs, result.longestCpuMs)
      this.refused ||= result.unsupported
      done(null, result.finished)
    })
  }
}

class Arenas extends Memory {
  get unsupported(): boolean {
    return !binding().arenasLive()
  }

  collapse(done: (error: Error | null, finished?: boolean) => void): void {
    binding().arenasCollapse(BUDGET_MS, done)
  }
}

const memories: readonly Memory[] = [new PackedHeap(), new Arenas()]

/** Children of forks that this process waits for. */
let living = 0
/** Children of the bare fork(), whose end we are not told of. */
const bare = new Set<number>()
let timer: NodeJS.Timeout | undefined
let working: Memory | undefined

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
  return bare.size > 0
}

/** What is not done yet. */
function next(): Memory | undefined {
  return memories.find((memory) => memory.ends > 0 && !memory.unsupported)
}

function rest(ms = REST_MS): void {
  // Nothing but a faster fork depends on it: it keeps no process alive.
  timer ??= setTimeout(step, ms).unref()
}

function step(): void {
  timer = undefined
  if (working !== undefined || living > 0) return
  const memory = next()
  if (memory === undefined) return
  // Work for the parked pool would be done as soon as it is let go: beside the child.
  if (isForkUnderWay()) return rest()
  // Shared pages would be copied here and not become the child's.
  if (shared()) return rest(LOOK_MS)
  working = memory
  try {
    memory.collapse((error, finished) => {
      if (finished === undefined) giveUp(memory, error)
      else {
        memory.midway = !finished
        if (finished && memory.ends > 0) memory.ends--
      }
      goOn()
    })
  } catch (error) {
    giveUp(memory, error)
    goOn()
  }
}

function goOn(): void {
  working = undefined
  if (living === 0 && next() !== undefined) rest()
}

let warned = false

/**
 * Until the next child has ended. The state of the memory is as good as before, only the next fork may take longer: no
 * reason to end the process, and one to be told once.
 */
function giveUp(memory: Memory, error: unknown): void {
  memory.ends = 0
  memory.midway = false
  if (!warned) warnOfThrown('pages could not be made huge again', error, 'ForksnapHugePagesWarning')
  warned = true
}

/** Whether pages are still being made huge, or will be after a rest. */
export function isMakingHugePages(): boolean {
  return working !== undefined || timer !== undefined
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
  if (living > 0) return
  beginAnew()
  if (next() !== undefined) rest()
}

/** The work of the last time may have been broken off: what it has passed is split again. */
function beginAnew(): void {
  for (const memory of memories) memory.ends = memory.midway || memory === working ? 2 : 1
}

/** A child of the bare fork(): no page is made huge until its pid is gone, for which its parent has to wait for it. */
export function bareChildBegan(pid: number): void {
  bare.add(pid)
  beginAnew()
  if (living === 0 && next() !== undefined) rest(LOOK_MS)
}

import { setTimeout as sleep } from 'node:timers/promises'
import { binding } from './binding'

/**
 * A full collection writes to pages all over the heap: mark bits, free lists, objects that it moves. While a child shares
 * these pages each such write copies one. So V8 is asked to begin none meanwhile. It takes that for a page that is being
 * loaded, and keeps bounds of its own: once the heap is past its limit by half of it, or by half of what is left to
 * `--max-old-space-size`, it collects as ever. Marking that has begun goes on to its end: a fork waits for it for a while.
 */

/** Unless something else is asked for. */
export const DEFER_FULL_GC_MS = 60_000

/** V8 forgets the request after 7 s. */
const RENEW_MS = 3_000

let asking = 0
let timer: NodeJS.Timeout | undefined

/**
 * Waits for marking that is under way, then puts full collections off for so many milliseconds at most; resolves with
 * what ends it, which may be called again. Nobody waits for what somebody else who puts them off has waited for: a fork
 * within a save, say. 0 is for not at all.
 */
export async function putOffFullGcs(ms: number, signal?: AbortSignal): Promise<() => void> {
  if (ms <= 0) return () => undefined
  if (asking === 0) await markingOver(signal)
  const native = binding()
  if (asking++ === 0) timer = setInterval(() => native.deferFullGc(true), RENEW_MS).unref()
  native.deferFullGc(true)
  let ended = false
  const end = (): void => {
    if (ended) return
    ended = true
    clearTimeout(limit)
    if (--asking > 0) return
    clearInterval(timer)
    native.deferFullGc(false)
  }
  const limit = setTimeout(end, ms).unref()
  return end
}

/** Marking gets on between other work: a large heap takes it seconds, and no snapshot is to wait for so long. */
const MARKING_MS_MAX = 1_000
const LOOK_MS = 5

/** Resolves once no marking for a full collection is under way, or after a second. */
async function markingOver(signal: AbortSignal | undefined): Promise<void> {
  const end = performance.now() + MARKING_MS_MAX
  while (binding().costSoFar().marking && performance.now() < end && signal?.aborted !== true) await sleep(LOOK_MS)
}

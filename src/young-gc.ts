import v8 from 'node:v8'
import vm from 'node:vm'

type CollectGarbage = (options: { type: 'minor' }) => void

let collect: CollectGarbage | null | undefined

/**
 * V8 offers its collector only behind a flag; a context made while the flag is set keeps the function. Null where it
 * cannot be had, as under `--expose-gc-as`, which gives it another name.
 */
function obtain(): CollectGarbage | null {
  v8.setFlagsFromString('--expose-gc')
  try {
    const found: unknown = vm.runInNewContext('typeof gc === "function" ? gc : null')
    return found as CollectGarbage | null
  } catch {
    return null
  } finally {
    if (!('gc' in globalThis)) v8.setFlagsFromString('--no-expose-gc')
  }
}

/**
 * One collection of the young generation: usually 1 to 50 ms. What survives two of them is old, so that the first
 * collection after a fork has next to nothing to move, and the pages that it would have written stay shared. Where the
 * collector cannot be had there is none: a longer gap after the fork is better than no snapshot.
 */
export function collectYoung(): void {
  if (collect === undefined) collect = obtain()
  collect?.({ type: 'minor' })
}

import v8 from 'node:v8'
import vm from 'node:vm'

type CollectGarbage = (options: { type: 'minor' }) => void

let collect: CollectGarbage | undefined

/** V8 offers its collector only behind a flag; a context made while the flag is set keeps the function. */
function obtain(): CollectGarbage {
  v8.setFlagsFromString('--expose-gc')
  try {
    return vm.runInNewContext('gc') as CollectGarbage
  } finally {
    if (!('gc' in globalThis)) v8.setFlagsFromString('--no-expose-gc')
  }
}

/**
 * One collection of the young generation: usually 1 to 50 ms. What survives two of them is old, so that the first
 * collection after a fork has next to nothing to move, and the pages that it would have written stay shared.
 */
export function collectYoung(): void {
  collect ??= obtain()
  collect({ type: 'minor' })
}

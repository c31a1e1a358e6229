import v8 from 'node:v8'
import vm from 'node:vm'

type Collect = () => void
let collect: Collect | undefined

/** Collects all garbage, twice, so that what only weak references held is gone too. */
export function collectAll(): void {
  if (collect === undefined) {
    v8.setFlagsFromString('--expose-gc')
    collect = vm.runInNewContext('gc') as Collect
    v8.setFlagsFromString('--no-expose-gc')
  }
  collect()
  collect()
}

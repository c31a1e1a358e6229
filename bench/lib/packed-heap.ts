/** Benchmarks with a packed heap: `--packed`, and what the report says of it. */
import { binding } from '../../src/binding'
import { packedHeapBytes, packedHeapEnvironment, packedHeapLibrary } from '../../src/packed-heap'

const OPTION = '--packed'

export function isPacked(): boolean {
  return packedHeapBytes() > 0
}

/**
 * With `--packed` among its arguments this process begins again with a packed heap, as do the programs that it starts. Where
 * that is not possible it says so and goes on.
 */
export function becomePackedIfAsked(): void {
  const args = process.argv.slice(1).filter((arg) => arg !== OPTION)
  if (args.length === process.argv.length - 1 || isPacked()) return
  const library = packedHeapLibrary()
  if (!('path' in library)) return console.error(`the heap is not packed: ${library.problem}`)
  const command = [process.execPath, ...process.execArgv, ...args]
  // Once only: where the library stays out, the option is gone all the same.
  binding().replaceProcess(command, packedHeapEnvironment(process.env, library.path, true))
}

import { existsSync } from 'node:fs'
import path from 'node:path'
import { buildAdvice, packageRoot, prebuildFolder } from './addon-files'
import { binding } from './binding'
import { usesGlibc } from './libc'
import { isSupported } from './platform'

export const PACKED_HEAP_LIBRARY = 'forksnap_packed_heap.so'

/** Told to the preloaded library: its own path, to be taken out of LD_PRELOAD, and whether to stay there all the same. */
const OWN_PATH = 'FORKSNAP_PACKED_HEAP'
const INHERIT = 'FORKSNAP_PACKED_HEAP_INHERIT'

/** The library that packs the heap, or why there is none. */
export function packedHeapLibrary(): { readonly path: string } | { readonly problem: string } {
  const { platform, arch } = process
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) {
    return { problem: `it works on Linux on x64 and arm64, not on ${platform}-${arch}` }
  }
  if (!usesGlibc()) return { problem: 'it needs the GNU C library' }
  const places = [path.join(packageRoot(), 'build', 'Release'), prebuildFolder()]
  const found = places.map((place) => path.join(place, PACKED_HEAP_LIBRARY)).find((file) => existsSync(file))
  if (found === undefined) return { problem: `there is no ${PACKED_HEAP_LIBRARY}. ${buildAdvice()}` }
  // The dynamic linker splits its list at both.
  if (/[\s:]/.test(found)) return { problem: `a path with a space or a colon cannot be preloaded: ${found}` }
  return { path: found }
}

/** What to set in an environment so that a program's heap is packed. With `inherit` that of what it starts, too. */
export function packedHeapEnvironment(
  { LD_PRELOAD }: NodeJS.ProcessEnv,
  library: string,
  inherit: boolean,
): Record<string, string> {
  // Last: a sanitizer's library insists on being first.
  const preload = LD_PRELOAD ? `${LD_PRELOAD}:${library}` : library
  return { LD_PRELOAD: preload, [OWN_PATH]: library, ...(inherit ? { [INHERIT]: '1' } : {}) }
}

/** Bytes of this process's V8 heap that lie in huge pages' places, side by side; 0 where the heap is not packed. */
export function packedHeapBytes(): number {
  return isSupported() ? (binding().packedHeapStats()?.liveBytes ?? 0) : 0
}

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

/**
 * What to set in an environment so that a program's heap is packed. With `inherit` that of what it starts, too; without it
 * only its own, also where this process has got the environment of an outer `forksnap exec --inherit`.
 */
export function packedHeapEnvironment(
  environment: NodeJS.ProcessEnv,
  library: string,
  inherit: boolean,
): Record<string, string> {
  const outer = environment[OWN_PATH]
  const others = (environment.LD_PRELOAD ?? '').split(/[\s:]+/).filter((path) => ![library, outer, ''].includes(path))
  // Last: a sanitizer's library insists on being first.
  const preload = [...others, library].join(':')
  // Empty is none: the variable can be changed, not taken away.
  const stays = inherit || environment[INHERIT] !== undefined ? { [INHERIT]: inherit ? '1' : '' } : {}
  return { LD_PRELOAD: preload, [OWN_PATH]: library, ...stays }
}

/** Bytes of this process's V8 heap that lie in huge pages' places, side by side; 0 where the heap is not packed. */
export function packedHeapBytes(): number {
  return isSupported() ? (binding().packedHeapStats()?.liveBytes ?? 0) : 0
}

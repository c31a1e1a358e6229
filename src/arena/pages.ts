import { readFileSync } from 'node:fs'

/** What the system says of an arena's pages (Linux). */
export interface ArenaPages {
  /** Bytes that are in memory. */
  readonly residentBytes: number
  /** Bytes of these that are in huge pages. After a snapshot, pages that were written to while the child lived are small. */
  readonly hugeBytes: number
  /**
   * The system's setting, `/sys/kernel/mm/transparent_hugepage/enabled`: with `never` there are no huge pages whatever an
   * arena asks for, with `madvise` and `always` there are. `unknown` where the file is missing.
   */
  readonly system: 'always' | 'madvise' | 'never' | 'unknown'
}

/** Of the regions, each given as `start-end` in hexadecimal digits; undefined where there is no /proc. */
export function pagesOf(regions: readonly string[]): ArenaPages | undefined {
  const smaps = readText('/proc/self/smaps')
  if (smaps === undefined) return undefined
  const enabled = readText('/sys/kernel/mm/transparent_hugepage/enabled')
  return { ...countPages(smaps, regions), system: settingOf(enabled) }
}

/** A mapping's header begins with its range; the fields of it follow, in kB. */
export function countPages(smaps: string, regions: readonly string[]): Omit<ArenaPages, 'system'> {
  const known = regions.map((region) => region.split('-').map((address) => BigInt(`0x${address}`)))
  // A region may be cut into several mappings, but no mapping reaches beyond it: guard pages lie around it.
  const isOurs = (start: bigint): boolean => known.some(([from = 0n, to = 0n]) => start >= from && start < to)
  let residentBytes = 0
  let hugeBytes = 0
  let ours = false
  for (const line of smaps.split('\n')) {
    const [, start] = /^([0-9a-f]+)-[0-9a-f]+ /.exec(line) ?? []
    if (start !== undefined) ours = isOurs(BigInt(`0x${start}`))
    else if (ours && line.startsWith('Rss:')) residentBytes += kilobytes(line)
    else if (ours && line.startsWith('AnonHugePages:')) hugeBytes += kilobytes(line)
  }
  return { residentBytes, hugeBytes }
}

function kilobytes(line: string): number {
  return 1024 * Number(/(\d+) kB/.exec(line)?.[1] ?? 0)
}

/** The setting in use stands in brackets: `always [madvise] never`. */
export function settingOf(enabled: string | undefined): ArenaPages['system'] {
  const setting = /\[(\w+)\]/.exec(enabled ?? '')?.[1]
  return setting === 'always' || setting === 'madvise' || setting === 'never' ? setting : 'unknown'
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

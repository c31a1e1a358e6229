import { readdirSync, readFileSync } from 'node:fs'

/** What a process may leave behind, read from /proc (Linux). */
export interface ProcessFigures {
  readonly rssBytes: number
  readonly heapUsedBytes: number
  readonly externalBytes: number
  readonly descriptors: number
  readonly threads: number
  readonly mappings: number
  /** Children of this process, zombies included. */
  readonly children: number
}

export function processFigures(): ProcessFigures {
  const { rss, heapUsed, external } = process.memoryUsage()
  return {
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    externalBytes: external,
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    mappings: readFileSync('/proc/self/maps', 'latin1').split('\n').length - 1,
    children: countChildren(),
  }
}

function countChildren(): number {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === process.pid).length
}

/** The parent's pid stands second behind the name, which is in parentheses and may hold anything. */
function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    // It has ended since the folder was listed.
    return 0
  }
}

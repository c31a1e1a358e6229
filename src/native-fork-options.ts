import type { NativeForkOptions } from './binding'
import type { ChildOptions } from './fork-job'

const PARENT_OOM_SCORE = -1001
/** Values of `ioprio_set`: the class in the upper bits, the level (7 is the lowest) in the lower. */
const IO_PRIORITIES = { idle: 3 << 13, 'best-effort-low': (2 << 13) | 7 } as const

/** What the addon is to do in and with a child; `keepStdio`: whether it keeps descriptors 0 to 2. */
export function nativeOptions(keepFds: readonly number[], child: ChildOptions, keepStdio: boolean): NativeForkOptions {
  return {
    keepFds,
    keepStdio,
    title: child.title ?? 'forksnap',
    nice: child.nice ?? 0,
    idle: child.cpuPriority === 'idle',
    ioPriority: child.ioPriority === undefined ? -1 : IO_PRIORITIES[child.ioPriority],
    cpus: child.cpus ?? [],
    oomScoreAdj: child.oomScoreAdj ?? PARENT_OOM_SCORE,
    coreDump: child.coreDump ?? false,
  }
}

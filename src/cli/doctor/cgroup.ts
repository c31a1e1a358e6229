import { join, relative } from 'node:path'
import type { System } from './system'

/** A control group of a process, its folders from its own up to the topmost one that can be seen. */
export interface Cgroup {
  readonly version: 1 | 2
  readonly folders: readonly string[]
}

interface Mount {
  readonly root: string
  readonly point: string
}

/** The group that a controller (`memory`, `pids`) has put a process into; undefined without cgroups. */
export function cgroupOf(system: System, pid: string, controller: string): Cgroup | undefined {
  const groups = system.lines(`/proc/${pid}/cgroup`).map((line) => {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    return { controllers: controllers.split(','), path }
  })
  const first = groups.find(({ controllers }) => controllers.includes(controller))
  if (first !== undefined) {
    const mount = mountOf(system, pid, 'cgroup', controller)
    return { version: 1, folders: foldersOf(system, mount ?? fallback(`/sys/fs/cgroup/${controller}`), first.path) }
  }
  const second = groups.find(({ controllers }) => controllers.includes(''))
  if (second === undefined) return undefined
  return {
    version: 2,
    folders: foldersOf(system, mountOf(system, pid, 'cgroup2') ?? fallback('/sys/fs/cgroup'), second.path),
  }
}

const fallback = (point: string): Mount => ({ root: '/', point })

/** A line of mountinfo: number, parent, device, root, mount point, options, optional fields, `-`, type, source, options. */
function mountOf(system: System, pid: string, type: string, option?: string): Mount | undefined {
  for (const line of system.lines(`/proc/${pid}/mountinfo`)) {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root = '', point = ''] = before.split(' ')
    const [mountType, , options = ''] = after.split(' ')
    if (mountType === type && (option === undefined || options.split(',').includes(option))) return { root, point }
  }
  return undefined
}

/**
 * In a container the path may be the host's, of which the mount shows only a part, or nothing that exists here: then the
 * topmost folder is the container's own.
 */
function foldersOf(system: System, { root, point }: Mount, path: string): string[] {
  const inside = relative(root, path)
  const known = !inside.startsWith('..') && system.names(join(point, inside)).length > 0
  const parts = known && inside !== '' ? inside.split('/') : []
  const folders = parts.map((_, index) => join(point, ...parts.slice(0, parts.length - index)))
  return [...folders, point]
}

export interface MemoryLimit {
  readonly folder: string
  readonly limitBytes: number
  /** What is in use and could not be had at once; file pages that nobody has used for a while can. */
  readonly usedBytes: number
}

/** What version 1 shows for "no limit" depends on the page size. */
const UNLIMITED_BYTES = 2 ** 60

/** The limits on memory that hold for a group, innermost first. */
export function memoryLimits(system: System, { version, folders }: Cgroup): MemoryLimit[] {
  const names =
    version === 2
      ? { limit: 'memory.max', used: 'memory.current', idle: 'inactive_file' }
      : { limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes', idle: 'total_inactive_file' }
  return folders.flatMap((folder) => {
    const limitBytes = system.number(join(folder, names.limit)) ?? Infinity
    const used = system.number(join(folder, names.used))
    if (limitBytes >= UNLIMITED_BYTES || used === undefined) return []
    const idle = system.field(join(folder, 'memory.stat'), names.idle) ?? 0
    return [{ folder, limitBytes, usedBytes: Math.max(0, used - idle) }]
  })
}

/** The innermost folder in which the OOM killer takes all processes at once. */
export function oomGroup(system: System, { folders }: Cgroup): string | undefined {
  return folders.find((folder) => system.text(join(folder, 'memory.oom.group')) === '1')
}

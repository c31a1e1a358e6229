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

/** A file of a group that sets a limit. Above `memory.high` processes are slowed down, above the others killed. */
type LimitFile = 'memory.max' | 'memory.high' | 'memory.limit_in_bytes'

export interface MemoryLimit {
  readonly folder: string
  readonly file: LimitFile
  readonly limitBytes: number
  readonly usedBytes: number
  /** Part of what is in use that the kernel takes back before it looks for a process to kill. */
  readonly reclaimableBytes: number
}

/** What version 1 shows for "no limit" depends on the page size. */
const UNLIMITED_BYTES = 2 ** 60

interface MemoryFiles {
  readonly limits: readonly LimitFile[]
  readonly used: string
  /** Field of memory.stat with the limit of the groups above, seen or not. */
  readonly outer?: string
  /** Fields of memory.stat. Pages of a tmpfs are not in them: without swap they stay. */
  readonly reclaimable: readonly string[]
  /** Fields of memory.stat that count pages of those above which have to be written first. */
  readonly unwritten: readonly string[]
}

const MEMORY_FILES: { readonly [version in Cgroup['version']]: MemoryFiles } = {
  // Its statistics say nothing of the slab.
  1: {
    limits: ['memory.limit_in_bytes'],
    used: 'memory.usage_in_bytes',
    outer: 'hierarchical_memory_limit',
    reclaimable: ['total_inactive_file', 'total_active_file'],
    unwritten: ['total_dirty', 'total_writeback'],
  },
  2: {
    limits: ['memory.max', 'memory.high'],
    used: 'memory.current',
    reclaimable: ['inactive_file', 'active_file', 'slab_reclaimable'],
    unwritten: ['file_dirty', 'file_writeback'],
  },
}

/** The limits on memory that hold for a group, innermost first. */
export function memoryLimits(system: System, { version, folders }: Cgroup): MemoryLimit[] {
  const names = MEMORY_FILES[version]
  return folders.flatMap((folder) => {
    // A limit of which nobody may see how much is used is still a limit.
    const usedBytes = system.number(join(folder, names.used)) ?? 0
    const field = (name: string): number | undefined => system.field(join(folder, 'memory.stat'), name)
    const sum = (fields: readonly string[]): number => fields.reduce((bytes, name) => bytes + (field(name) ?? 0), 0)
    const reclaimableBytes = Math.max(0, sum(names.reclaimable) - sum(names.unwritten))
    return names.limits.flatMap((file): MemoryLimit[] => {
      const own = system.number(join(folder, file)) ?? Infinity
      const limitBytes = names.outer === undefined ? own : Math.min(own, field(names.outer) ?? Infinity)
      return limitBytes >= UNLIMITED_BYTES ? [] : [{ folder, file, limitBytes, usedBytes, reclaimableBytes }]
    })
  })
}

/** The innermost folder in which the OOM killer takes all processes at once. */
export function oomGroup(system: System, { folders }: Cgroup): string | undefined {
  return folders.find((folder) => system.text(join(folder, 'memory.oom.group')) === '1')
}
